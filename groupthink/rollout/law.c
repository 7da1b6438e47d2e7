/* The next token of many sequences, whoever computed their logits. native_law.py calls it. */
#include "law.h"

/* drawn [B], by logits [B, V] whose rows are `stride` apart. */
void groupthink_draw(const Ledger *ledger, int64_t B, int64_t V, const float *logits, int64_t stride, float *scratch,
                     int64_t *drawn) {
  for (int64_t b = 0; b < B; b++) drawn[b] = draw_token(ledger, b, logits + b * stride, V, scratch);
}

VECTORS_END
