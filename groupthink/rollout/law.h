/*
 * The next token of a sequence, drawn on one core. law.py says in torch's operations what it computes: the law
 * log_softmax(logits / temperature), and the first token at which the cumulative law exceeds a uniform draw.
 */
#include "../model/vectors.h"

/* ledger.py's columns: for each row how to draw, and what was drawn. */
typedef struct {
  const float *temperature;
  const int64_t *top_k; /* 0: from the whole law; 1: its likeliest token, of equals the one with the lowest id */
  const int64_t *seed, *limit;
  int64_t *count;                       /* tokens drawn */
  int64_t *token_ids, *versions;        /* [., T] */
  float *logprobs, *drawn_logprobs;     /* [., T], under the whole law and under the one that is drawn from */
  int64_t T, version;
} Ledger;

/* noise.py's uniform: SplitMix64, started at a seed and read at a position. */
INLINE double uniform(uint64_t seed, uint64_t position) {
  uint64_t z = seed + (position + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return (double)((z ^ (z >> 31)) >> 12) * 0x1p-52;
}

INLINE float highest(const float *x, int64_t V) {
  v8 most = load(x);
  for (int64_t v = 8; v < V; v += 8) most = choose(most > load(x + v), most, load(x + v));
  float top = most[0];
  for (int j = 1; j < 8; j++) top = most[j] > top ? most[j] : top;
  return top;
}

/* e^((x - top) / temperature) in place of each x, and exactly nothing where that is as good as nothing */
INLINE void shares_of(float *x, int64_t V, float top, float temperature) {
  for (int64_t v = 0; v < V; v += 8) {
    const v8 below = (load(x + v) - all(top)) / all(temperature);
    store(x + v, choose(below < all(-87.0f), all(0.0f), exponential(below)));
  }
}

/*
 * Draw a token for row b by its logits [V], and write it down behind those that the row has. scratch: V + 7 floats.
 * From a law that is not finite the last token is drawn: its log-probability, NaN, says so.
 */
static int64_t draw_token(const Ledger *ledger, int64_t b, const float *logits, int64_t V, float *scratch) {
  const int64_t padded = (V + 7) & ~(int64_t)7, place = b * ledger->T + ledger->count[b], greedy = ledger->top_k[b] == 1;
  memcpy(scratch, logits, V * sizeof(float));
  for (int64_t v = V; v < padded; v++) scratch[v] = -INFINITY;
  const float top = highest(scratch, padded), temperature = ledger->temperature[b];
  shares_of(scratch, padded, top, temperature);
  double total = 0.0, cumulative = 0.0;
  for (int64_t v = 0; v < V; v++) total += scratch[v];
  int64_t token = 0;
  if (greedy) {
    while (token < V - 1 && logits[token] != top) token++;
  } else {
    const double wanted = uniform(ledger->seed[b], ledger->count[b]) * total;
    while (token < V - 1 && !((cumulative += scratch[token]) > wanted)) token++;
  }
  float logprob = (float)((double)(logits[token] - top) / temperature - log(total));
  if (!isfinite(logprob)) token = V - 1, logprob = NAN;
  ledger->token_ids[place] = token;
  ledger->versions[place] = ledger->version;
  ledger->logprobs[place] = logprob;
  ledger->drawn_logprobs[place] = greedy ? logprob - logprob : logprob;
  ledger->count[b]++;
  return token;
}
