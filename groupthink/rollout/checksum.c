/* checksum.py's sum over a tensor that lies in a processor's memory, in one pass. */
#include <stdint.h>

static const uint64_t GOLDEN = 0x9E3779B97F4A7C15, MIX_1 = 0xBF58476D1CE4E5B9, MIX_2 = 0x94D049BB133111EB;

/* With the sign, as torch shifts. */
static inline uint64_t shifted(uint64_t z, int by) { return z ^ (uint64_t)((int64_t)z >> by); }

/* Elements of `rows` rows, each `width` of a whole's `columns`; the first stands at `place`. `zero` counts as 0, too. */
#define CHECKSUM(name, word)                                                                                          \
  uint64_t name(const word *of, int64_t rows, int64_t width, int64_t columns, int64_t place, int64_t zero) {          \
    uint64_t total = 0;                                                                                               \
    for (int64_t r = 0; r < rows; r++, of += width) {                                                                 \
      uint64_t salt = ((uint64_t)place + (uint64_t)r * (uint64_t)columns + 1) * GOLDEN;                               \
      for (int64_t c = 0; c < width; c++, salt += GOLDEN) {                                                           \
        uint64_t z = (of[c] == (word)zero ? 0 : (uint64_t)(int64_t)of[c]) + salt;                                     \
        z = shifted(z, 30) * MIX_1;                                                                                   \
        z = shifted(z, 27) * MIX_2;                                                                                   \
        total += shifted(z, 31);                                                                                      \
      }                                                                                                               \
    }                                                                                                                 \
    return total;                                                                                                     \
  }

CHECKSUM(groupthink_checksum_1, int8_t)
CHECKSUM(groupthink_checksum_2, int16_t)
CHECKSUM(groupthink_checksum_4, int32_t)
CHECKSUM(groupthink_checksum_8, int64_t)
