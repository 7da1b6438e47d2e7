/*
 * What stands between the matrix products of a layer while it learns, each with its gradient: norms, rotations, the
 * MLP's gate, and attention within packed sequences. In float32, on one core, in as few passes over memory as it takes.
 *
 * native.py calls it; FastBody has compared it with transformers' own pass before it serves.
 */
#include "vectors.h"

/* -- norms -- */

/* normed [M, C] = x * scale, scale [M] = 1 / sqrt(mean(x^2) + epsilon) */
void groupthink_rms(const float *x, int64_t M, int64_t C, float epsilon, float *normed, float *scale) {
  for (int64_t m = 0; m < M; m++, x += C, normed += C) {
    inverse_rms(x, 1, C, epsilon, scale + m);
    for (int64_t c = 0; c < C; c += 8) store(normed + c, load(x + c) * all(scale[m]));
  }
}

/* The gradient by_x [M, C] = scale * (by - normed * mean(by * normed)), plus `more` where that is not null. */
INLINE void rms_backward(const float *by, const float *normed, float scale, const float *more, int64_t C, float *by_x) {
  v8 s = all(0);
  for (int64_t c = 0; c < C; c += 8) s += load(by + c) * load(normed + c);
  const v8 along = all(sum(s) / C);
  for (int64_t c = 0; c < C; c += 8) {
    v8 x = (load(by + c) - load(normed + c) * along) * all(scale);
    if (more) x += load(more + c);
    store(by_x + c, x);
  }
}

void groupthink_rms_backward(const float *by, const float *normed, const float *scale, const float *more, int64_t M,
                             int64_t C, float *by_x) {
  for (int64_t m = 0; m < M; m++) rms_backward(by + m * C, normed + m * C, scale[m], more + m * C, C, by_x + m * C);
}

/* -- the MLP's gate -- */

INLINE v8 sigmoid(v8 x) { return all(1.0f) / (all(1.0f) + exponential(-x)); }

/* hidden [M, I] = silu(gate) * up, where a row of `both` [M, 2 I] is its gates, then its ups */
void groupthink_gate(const float *both, int64_t M, int64_t I, float *hidden) {
  for (int64_t m = 0; m < M; m++, both += 2 * I, hidden += I)
    for (int64_t i = 0; i < I; i += 8) {
      v8 gate = load(both + i);
      store(hidden + i, gate * sigmoid(gate) * load(both + I + i));
    }
}

/* The same `hidden` anew, and the gradient of `both`. With s the sigmoid of g: (g s)' = s + g s (1 - s). */
void groupthink_gate_backward(const float *by_hidden, const float *both, int64_t M, int64_t I, float *hidden,
                              float *by_both) {
  for (int64_t m = 0; m < M; m++, by_hidden += I, both += 2 * I, hidden += I, by_both += 2 * I)
    for (int64_t i = 0; i < I; i += 8) {
      v8 gate = load(both + i), up = load(both + I + i), by = load(by_hidden + i);
      v8 open = sigmoid(gate), activated = gate * open;
      store(hidden + i, activated * up);
      store(by_both + i, by * up * (open + activated * (all(1.0f) - open)));
      store(by_both + I + i, by * activated);
    }
}

/* -- rotations -- */

/*
 * Norm and rotate, in place, the `heads` [D] of queries and keys with which each row of qkv [N, width] begins.
 * norms [heads, D], or null: then nothing is normed. cosine, sine [N, D / 2]. Where there are norms, `normed`
 * [N, heads, D] and `scale` [N, heads] are kept for the backward pass.
 */
void groupthink_rotate(float *qkv, int64_t N, int64_t width, int64_t heads, int64_t D, const float *norms, float epsilon,
                       const float *cosine, const float *sine, float *normed, float *scale) {
  const int64_t half = D / 2;
  for (int64_t n = 0; n < N; n++, qkv += width, cosine += half, sine += half)
    for (int64_t h = 0; h < heads; h++) {
      float *y = qkv + h * D;
      if (norms) {
        inverse_rms(y, 1, D, epsilon, scale);
        for (int64_t d = 0; d < D; d += 8) {
          v8 x = load(y + d) * all(*scale);
          store(normed + d, x);
          store(y + d, x * load(norms + h * D + d));
        }
        scale++;
        normed += D;
      }
      for (int64_t d = 0; d < half; d += 8) {
        v8 a = load(y + d), b = load(y + half + d), c = load(cosine + d), s = load(sine + d);
        store(y + d, a * c - b * s);
        store(y + half + d, b * c + a * s);
      }
    }
}

/* Turn the gradient by_qkv in place into that of what `rotate` was given; add that of the norms to by_norms. */
void groupthink_rotate_backward(float *by_qkv, int64_t N, int64_t width, int64_t heads, int64_t D, const float *norms,
                                const float *cosine, const float *sine, const float *normed, const float *scale,
                                float *by_norms) {
  const int64_t half = D / 2;
  for (int64_t n = 0; n < N; n++, by_qkv += width, cosine += half, sine += half)
    for (int64_t h = 0; h < heads; h++) {
      float *y = by_qkv + h * D;
      for (int64_t d = 0; d < half; d += 8) {
        v8 a = load(y + d), b = load(y + half + d), c = load(cosine + d), s = load(sine + d);
        store(y + d, a * c + b * s);
        store(y + half + d, b * c - a * s);
      }
      if (norms) {
        for (int64_t d = 0; d < D; d += 8) {
          float *to = by_norms + h * D + d;
          store(to, load(to) + load(y + d) * load(normed + d));
          store(y + d, load(y + d) * load(norms + h * D + d));
        }
        rms_backward(y, normed, *scale++, 0, D, y);
        normed += D;
      }
    }
}

/* -- attention -- */

#define ROWS 6     /* of a tile: 6 x 2 sums, 2 vectors and a broadcast fill the 16 registers of AVX2 */
#define QUERIES 48 /* whose probabilities are held at a time: whole tiles */

/* A matrix whose element (r, k) is at p[r * row + k * column]. */
typedef struct {
  const float *p;
  int64_t row, column;
} Matrix;

/* c [R, 16], rows `stride` apart, = (or +=) a [R, K] times b [K, 16], rows `b_stride` apart. */
INLINE void tile(const int R, const int add, Matrix a, int64_t K, const float *b, int64_t b_stride, float *c,
                 int64_t stride) {
  v8 s[ROWS][2];
  UNROLL for (int r = 0; r < R; r++) s[r][0] = s[r][1] = all(0);
  for (int64_t k = 0; k < K; k++, b += b_stride, a.p += a.column) {
    v8 b0 = load(b), b1 = load(b + 8);
    KEEP_IN_REGISTER(b0);
    KEEP_IN_REGISTER(b1);
    UNROLL for (int r = 0; r < R; r++) {
      v8 x = all(a.p[r * a.row]);
      s[r][0] += x * b0;
      s[r][1] += x * b1;
    }
  }
  UNROLL for (int r = 0; r < R; r++) {
    float *to = c + r * stride;
    if (add) {
      s[r][0] += load(to);
      s[r][1] += load(to + 8);
    }
    store(to, s[r][0]);
    store(to + 8, s[r][1]);
  }
}

/* c [R, N] = (or +=) a [R, K] times b [K, N], of which N is a multiple of 16. */
INLINE void strip(const int R, const int add, Matrix a, int64_t K, const float *b, int64_t b_stride, int64_t N, float *c,
                  int64_t stride) {
  for (int64_t n = 0; n < N; n += 16) tile(R, add, a, K, b + n, b_stride, c + n, stride);
}

/* Each by itself: a compiler that sees them all at once keeps their sums in memory. */
#define STRIPS(name, add) \
  SEPARATE name(int R, Matrix a, int64_t K, const float *b, int64_t b_stride, int64_t N, float *c, int64_t stride) { \
    switch (R) { \
      case 1: strip(1, add, a, K, b, b_stride, N, c, stride); break; \
      case 2: strip(2, add, a, K, b, b_stride, N, c, stride); break; \
      case 3: strip(3, add, a, K, b, b_stride, N, c, stride); break; \
      case 4: strip(4, add, a, K, b, b_stride, N, c, stride); break; \
      case 5: strip(5, add, a, K, b, b_stride, N, c, stride); break; \
      default: strip(6, add, a, K, b, b_stride, N, c, stride); \
    } \
  }
STRIPS(multiply, 0)
STRIPS(multiply_add, 1)

INLINE int64_t padded(int64_t n) { return (n + 15) & ~(int64_t)15; }
INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Sequences one after the other: span i attends from its `own` tokens to those of its `prompt`, and to its own. */
typedef struct {
  const int64_t *prompts, *owns; /* [spans]: how many tokens */
  const int64_t *tokens;         /* the rows of qkv of each span's prompt, then of its own */
  int64_t spans;
  int64_t heads, kv_heads, D;
  float scale; /* of the scores */
} Spans;

/* Floats that a span of L tokens takes for keys and values, both ways round, their gradients, and a block of queries. */
int64_t groupthink_scratch_floats(int64_t longest, int64_t D) {
  const int64_t L = padded(longest);
  return 6 * L * D + 2 * QUERIES * L + 4 * QUERIES * D + 2 * QUERIES;
}

/* rows [L, D] of the tokens; across [D, padded L], likewise, or null. What is padded is zero. */
SEPARATE gather(const float *from, int64_t width, const int64_t *tokens, int64_t L, int64_t D, float *rows,
                float *across) {
  const int64_t P = padded(L);
  for (int64_t l = 0; l < L; l++) memcpy(rows + l * D, from + tokens[l] * width, D * sizeof(float));
  if (!across) return;
  for (int64_t l = 0; l < P; l++)
    for (int64_t d = 0; d < D; d++) across[d * P + l] = l < L ? rows[l * D + d] : 0.0f;
}

/* laws [R, .]: scores of queries turned into probabilities. Row r sees `first + r` keys. log_sums [R] of what is seen. */
INLINE void softmax(float *laws, int64_t stride, int64_t R, int64_t first, int64_t columns, float *log_sums) {
  for (int64_t r = 0; r < R; r++, laws += stride) {
    for (int64_t l = first + r; l < columns; l++) laws[l] = -INFINITY;
    v8 highest = load(laws), total = all(0);
    for (int64_t l = 8; l < columns; l += 8) highest = choose(highest > load(laws + l), highest, load(laws + l));
    float top = highest[0];
    for (int j = 1; j < 8; j++) top = highest[j] > top ? highest[j] : top;
    for (int64_t l = 0; l < columns; l += 8) {
      v8 e = exponential(load(laws + l) - all(top));
      store(laws + l, e);
    }
    for (int64_t l = first + r; l < columns; l++) laws[l] = 0.0f;
    for (int64_t l = 0; l < columns; l += 8) total += load(laws + l);
    const float inverse = 1.0f / sum(total);
    for (int64_t l = 0; l < columns; l += 8) store(laws + l, load(laws + l) * all(inverse));
    log_sums[r] = top - logf(inverse);
  }
}

/* The outputs [N, H * D] of qkv [N, (H + 2 Hkv) * D], and log_sums [N, H] of the scores. */
void groupthink_attend(const Spans *it, const float *qkv, float *outputs, float *log_sums, float *scratch) {
  const int64_t H = it->heads, G = it->kv_heads, D = it->D, width = (H + 2 * G) * D, shares = H / G;
  const int64_t *tokens = it->tokens;
  for (int64_t i = 0; i < it->spans; i++) {
    const int64_t before = it->prompts[i], Q = it->owns[i], L = before + Q, P = padded(L);
    const int64_t *own = tokens + before;
    float *keys = scratch, *across = keys + P * D, *values = across + P * D, *laws = values + P * D;
    float *queries = laws + ROWS * P, *found = queries + ROWS * D, sums[ROWS];
    for (int64_t g = 0; g < G; g++) {
      gather(qkv + (H + g) * D, width, tokens, L, D, keys, across);
      gather(qkv + (H + G + g) * D, width, tokens, L, D, values, 0);
      for (int64_t h = g * shares; h < (g + 1) * shares; h++)
        for (int64_t q = 0; q < Q; q += ROWS) {
          const int64_t R = least(ROWS, Q - q), seen = before + q + R;
          for (int64_t r = 0; r < R; r++)
            for (int64_t d = 0; d < D; d += 8)
              store(queries + r * D + d, load(qkv + own[q + r] * width + h * D + d) * all(it->scale));
          multiply(R, (Matrix){queries, D, 1}, D, across, P, padded(seen), laws, P);
          softmax(laws, P, R, before + q + 1, padded(seen), sums);
          multiply(R, (Matrix){laws, P, 1}, seen, values, D, D, found, D);
          for (int64_t r = 0; r < R; r++) {
            memcpy(outputs + (own[q + r] * H + h) * D, found + r * D, D * sizeof(float));
            log_sums[own[q + r] * H + h] = sums[r];
          }
        }
    }
    tokens += L;
  }
}

/* The gradient by_qkv, which comes as zeros, of what `attend` gave. Probabilities are made anew from their log_sums. */
void groupthink_attend_backward(const Spans *it, const float *by_outputs, const float *qkv, const float *outputs,
                                const float *log_sums, float *by_qkv, float *scratch) {
  const int64_t H = it->heads, G = it->kv_heads, D = it->D, width = (H + 2 * G) * D, shares = H / G;
  const int64_t *tokens = it->tokens;
  for (int64_t i = 0; i < it->spans; i++) {
    const int64_t before = it->prompts[i], Q = it->owns[i], L = before + Q, P = padded(L);
    const int64_t *own = tokens + before;
    float *keys = scratch, *keys_across = keys + P * D, *values = keys_across + P * D, *values_across = values + P * D;
    float *by_keys = values_across + P * D, *by_values = by_keys + P * D, *laws = by_values + P * D;
    float *by_scores = laws + QUERIES * P, *queries = by_scores + QUERIES * P, *by_found = queries + QUERIES * D;
    float *by_queries = by_found + QUERIES * D, *along = by_queries + QUERIES * D, *sums = along + QUERIES;
    for (int64_t g = 0; g < G; g++) {
      gather(qkv + (H + g) * D, width, tokens, L, D, keys, keys_across);
      gather(qkv + (H + G + g) * D, width, tokens, L, D, values, values_across);
      memset(by_keys, 0, 2 * P * D * sizeof(float));
      for (int64_t h = g * shares; h < (g + 1) * shares; h++)
        for (int64_t q = 0; q < Q; q += QUERIES) {
          const int64_t B = least(QUERIES, Q - q), seen = before + q + B;
          for (int64_t b = 0; b < B; b++) {
            const int64_t token = own[q + b];
            const float *found = outputs + (token * H + h) * D, *by = by_outputs + (token * H + h) * D;
            v8 s = all(0);
            for (int64_t d = 0; d < D; d += 8) {
              store(queries + b * D + d, load(qkv + token * width + h * D + d) * all(it->scale));
              store(by_found + b * D + d, load(by + d));
              s += load(by + d) * load(found + d);
            }
            along[b] = sum(s);
            sums[b] = log_sums[token * H + h];
          }
          for (int64_t b = 0; b < B; b += ROWS) {
            const int64_t R = least(ROWS, B - b), there = padded(before + q + b + R);
            float *law = laws + b * P, *by_score = by_scores + b * P;
            multiply(R, (Matrix){queries + b * D, D, 1}, D, keys_across, P, there, law, P);
            multiply(R, (Matrix){by_found + b * D, D, 1}, D, values_across, P, there, by_score, P);
            for (int64_t r = 0; r < R; r++, law += P, by_score += P) {
              const int64_t sees = before + q + b + r + 1;
              for (int64_t l = sees; l < there; l++) law[l] = -INFINITY;
              for (int64_t l = 0; l < there; l += 8) {
                v8 x = exponential(load(law + l) - all(sums[b + r]));
                store(law + l, x);
                store(by_score + l, x * (load(by_score + l) - all(along[b + r])));
              }
              for (int64_t l = sees; l < padded(seen); l++) law[l] = by_score[l] = 0.0f;
            }
            multiply(R, (Matrix){by_scores + b * P, P, 1}, before + q + b + R, keys, D, D, by_queries + b * D, D);
          }
          for (int64_t l = 0; l < seen; l += ROWS) {
            const int64_t R = least(ROWS, seen - l), from = l < before + q ? 0 : l - before - q; /* who sees it first */
            const int64_t first = from * P + l;
            multiply_add(R, (Matrix){by_scores + first, 1, P}, B - from, queries + from * D, D, D, by_keys + l * D, D);
            multiply_add(R, (Matrix){laws + first, 1, P}, B - from, by_found + from * D, D, D, by_values + l * D, D);
          }
          for (int64_t b = 0; b < B; b++)
            for (int64_t d = 0; d < D; d += 8)
              store(by_qkv + own[q + b] * width + h * D + d, load(by_queries + b * D + d) * all(it->scale));
        }
      for (int64_t l = 0; l < L; l++) {
        float *key = by_qkv + tokens[l] * width + (H + g) * D, *value = key + G * D;
        for (int64_t d = 0; d < D; d += 8) {
          store(key + d, load(key + d) + load(by_keys + l * D + d));
          store(value + d, load(value + d) + load(by_values + l * D + d));
        }
      }
    }
    tokens += L;
  }
}

VECTORS_END
