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

#if defined(__GNUC__)
static int emk_door = 0;
/* Nobody waits for long: after a fork the one who has shut the door may not be there. */
static inline int emk_enter(void) {
  for (int i = 0; i < 10000; i++)
    if (!__atomic_exchange_n(&emk_door, 1, __ATOMIC_ACQUIRE)) return 1;
  return 0;
}
static inline void emk_go(void) { __atomic_store_n(&emk_door, 0, __ATOMIC_RELEASE); }
#else
static inline int emk_enter(void) { return 0; }
static inline void emk_go(void) {}
#endif

/* Memory of what was in it before, or NULL. */
static inline void *emk_take_room(size_t n_bytes) {
  void *at = NULL;
  if (n_bytes >= EMK_LEAST_ROOM && emk_keepers > 0 && emk_enter()) {
    int best = -1;
    for (int i = 0; i < EMK_ROOMS; i++)
      if (emk_rooms[i].at && emk_rooms[i].n_bytes >= n_bytes
          && emk_rooms[i].n_bytes - n_bytes <= n_bytes / 4
          && (best < 0 || emk_rooms[i].n_bytes < emk_rooms[best].n_bytes))
        best = i;
    if (best >= 0) {
      at = emk_rooms[best].at;
      emk_kept -= emk_rooms[best].n_bytes;
      emk_rooms[best].at = NULL;
    }
    emk_go();
  }
  return at ? at : emk_room(n_bytes);
}

static inline void emk_leave_room(void *at, size_t n_bytes) {
  if (at && n_bytes >= EMK_LEAST_ROOM && emk_keepers > 0 && emk_enter()) {
    for (int i = 0; i < EMK_ROOMS && at && emk_keepers > 0; i++)
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

/* One keeper more, or less; behind the last one all are freed. */
static inline void emk_keep_rooms(int more) {
  if (!emk_enter()) return;
  emk_keepers += more;
  if (emk_keepers <= 0) {
    for (int i = 0; i < EMK_ROOMS; i++) {
      free(emk_rooms[i].at);
      emk_rooms[i].at = NULL;
    }
    emk_kept = 0;
    emk_keepers = 0;
  }
  emk_go();
}

static inline size_t emk_bytes_kept(void) { return emk_kept; }

#endif
