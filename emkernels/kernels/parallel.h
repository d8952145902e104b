/* Threads, processes and processors: every call that depends on the platform. */
#ifndef EMK_PARALLEL_H
#define EMK_PARALLEL_H

#ifdef _OPENMP
#include <omp.h>
#define EMK_OPENMP 1
static inline int emk_max_threads(void) { return omp_get_max_threads(); }
static inline int emk_num_procs(void) { return omp_get_num_procs(); }
static inline int emk_thread_num(void) { return omp_get_thread_num(); }
static inline int emk_in_parallel(void) { return omp_in_parallel(); }
static inline double emk_seconds(void) { return omp_get_wtime(); }
#else
#define EMK_OPENMP 0
static inline int emk_max_threads(void) { return 1; }
static inline int emk_num_procs(void) { return 1; }
static inline int emk_thread_num(void) { return 0; }
static inline int emk_in_parallel(void) { return 0; }
#include <time.h>
static inline double emk_seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }
#endif

/* One word that a thread writes and others read. */
#if defined(__GNUC__)
static inline int emk_is_up(const int *flag) { return __atomic_load_n(flag, __ATOMIC_RELAXED); }
static inline void emk_raise(int *flag) { __atomic_store_n(flag, 1, __ATOMIC_RELAXED); }
#else
static inline int emk_is_up(const int *flag) { return *(const volatile int *)flag; }
static inline void emk_raise(int *flag) { *(volatile int *)flag = 1; }
#endif

/* Memory to be freed with free(): large pieces in large pages, which there is less to wait for, of
   several threads above all. */
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif
static inline void *emk_room(size_t n_bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  const size_t page = (size_t)1 << 21;
  if (n_bytes >= 2 * page) {
    void *room = aligned_alloc(page, (n_bytes + page - 1) / page * page);
    if (room) madvise(room, n_bytes, MADV_HUGEPAGE);
    return room;
  }
#endif
  return malloc(n_bytes);
}
static inline void *emk_zeros(size_t n_bytes) {
  void *room;
  if (n_bytes < (size_t)1 << 22) return calloc(n_bytes ? n_bytes : 1, 1);
  room = emk_room(n_bytes);
  if (room) memset(room, 0, n_bytes);
  return room;
}

#ifdef _WIN32
static inline long emk_process(void) { return 0; }
#else
#include <unistd.h>
static inline long emk_process(void) { return (long)getpid(); }
#endif

/* 0: below the baseline, 1: baseline, 2: v3, 3: v4 (x86-64 psABI levels). */
static inline int emk_processor_level(void) {
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("popcnt")) return 0;
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
      !__builtin_cpu_supports("bmi2"))
    return 1;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512cd") || !__builtin_cpu_supports("avx512dq") ||
      !__builtin_cpu_supports("avx512vl"))
    return 2;
  return 3;
#else
  return 1;
#endif
}

#endif
