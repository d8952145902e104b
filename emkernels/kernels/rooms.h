/* Rooms: pieces of memory that a fit takes and leaves in every iteration, and that the system would
   clear page by page each time. While somebody keeps rooms, those that are left are had again;
   otherwise they are freed. Whoever holds one may call free() as well. */
#ifndef EMK_ROOMS_H
#define EMK_ROOMS_H

#include "parallel.h"

#define EMK_ROOMS 24
#define EMK_LEAST_ROOM ((size_t)1 << 20)
#define EMK_MOST_KEPT ((size_t)1 << 28)      /* bytes, of all that nobody is in */

static struct { void *at; size_t n_bytes; } emk_rooms[EMK_ROOMS];
static size_t emk_kept = 0;
static int emk_keepers = 0;
static long emk_owner = 0;      /* the process that they are of: a fork has them, but no keeper */

#if defined(__GNUC__)
static int emk_door = 0;
/* Nobody waits for long. */
static inline int emk_enter(void) {
  for (int i = 0; i < 10000; i++)
    if (!__atomic_exchange_n(&emk_door, 1, __ATOMIC_ACQUIRE)) return 1;
  return 0;
}
static inline void emk_go(void) { __atomic_store_n(&emk_door, 0, __ATOMIC_RELEASE); }
static inline int emk_some_keep(void) {
  return __atomic_load_n(&emk_keepers, __ATOMIC_RELAXED) > 0 && emk_owner == emk_process();
}
static inline int emk_count_keepers(int more) {
  return __atomic_add_fetch(&emk_keepers, more, __ATOMIC_ACQ_REL);
}
#else
static inline int emk_count_keepers(int more) { return emk_keepers += more; }
static inline int emk_enter(void) { return 0; }
static inline void emk_go(void) {}
static inline int emk_some_keep(void) { return 0; }
#endif

/* Memory of what was in it before, or NULL. */
static inline void *emk_take_room(size_t n_bytes) {
  void *at = NULL;
  if (n_bytes >= EMK_LEAST_ROOM && emk_some_keep() && emk_enter()) {
    for (int i = 0; i < EMK_ROOMS && !at; i++)
      if (emk_rooms[i].at && emk_rooms[i].n_bytes == n_bytes) {
        at = emk_rooms[i].at;
        emk_kept -= n_bytes;
        emk_rooms[i].at = NULL;
      }
    emk_go();
  }
  return at ? at : emk_room(n_bytes);
}

static inline void emk_leave_room(void *at, size_t n_bytes) {
  if (at && n_bytes >= EMK_LEAST_ROOM && emk_some_keep() && emk_enter()) {
    for (int i = 0; i < EMK_ROOMS && at && emk_some_keep(); i++)
      if (!emk_rooms[i].at && emk_kept + n_bytes <= EMK_MOST_KEPT) {
        emk_rooms[i].at = at;
        emk_rooms[i].n_bytes = n_bytes;
        emk_kept += n_bytes;
        at = NULL;
      }
    emk_go();
  }
  free(at);
}

/* One keeper more, or less; behind the last one all are freed, as are those of before a fork. Who
   calls this has Python's lock. */
static inline void emk_keep_rooms(int more) {
  const int other = emk_owner != emk_process();
  if (other) {
    emk_keepers = 0;
    emk_owner = emk_process();
    emk_go();
  }
  if (emk_count_keepers(more) < 0) emk_count_keepers(1);      /* one of before a fork leaves */
  if (!other && emk_some_keep()) return;
  int in = 0;
  for (int i = 0; i < 1000 && !in; i++) in = emk_enter();
  if (!in) return;
  if (other || !emk_some_keep()) {
    for (int i = 0; i < EMK_ROOMS; i++) {
      free(emk_rooms[i].at);
      emk_rooms[i].at = NULL;
    }
    emk_kept = 0;
  }
  emk_go();
}

static inline size_t emk_bytes_kept(void) { return emk_owner == emk_process() ? emk_kept : 0; }

#endif
