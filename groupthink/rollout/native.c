/*
 * The next tokens of many sequences at once: a small Llama or Qwen3 in float32, and draws from it, on one core.
 *
 * native.py calls it; verify.py has compared it with transformers' own pass before it serves.
 *
 * Weights come packed: 16 columns of a product lie side by side for each k, so that a tile of 6 rows by 16 columns
 * stays in registers. What a row gives does not depend on the rows beside it, to the last bit.
 *
 * Keys and values lie in blocks of 32 tokens, keys with the tokens of a dimension side by side, values with the
 * dimensions of a token side by side. A row attends to `seen` tokens in its shared blocks (the prompt of its group),
 * then to its own, itself the last.
 */
#include "law.h"

#define BLOCK 32 /* tokens */
#define ROWS 6   /* of a tile: 6 x 2 sums, 2 weights and a broadcast fill the 16 registers of AVX2 */
#define DEPTH 32 /* terms of a sum that are added up by themselves: shorter sums round less */
#define SIDE 12  /* rows that go through all layers side by side: what they have stays in the first caches */

typedef struct {
  int32_t layers, hidden, heads, kv_heads, head_dim, intermediate, vocab, qk_norm;
  float epsilon;
} Shape;

typedef struct {
  const float *qkv, *out, *gate_up, *down; /* packed; norms multiplied into what follows them */
  const float *qk_norm;                    /* [H + Hkv, D], or null */
} Layer;

/* -- matrix products -- */

enum { STORE, ADD, GATE };

/* R rows of a [., K] against a panel of 16 columns. GATE: its columns are 8 gates and the 8 that they open. */
INLINE void tile(const int R, const int mode, const float *a, int64_t K, const float *panel, const float *scale,
                 float *c, int64_t stride) {
  v8 total[ROWS][2];
  UNROLL for (int r = 0; r < R; r++) total[r][0] = total[r][1] = all(0);
  for (int64_t start = 0; start < K; start += DEPTH) {
    const int64_t end = start + DEPTH < K ? start + DEPTH : K;
    v8 s[ROWS][2];
    UNROLL for (int r = 0; r < R; r++) s[r][0] = s[r][1] = all(0);
    for (int64_t k = start; k < end; k++) {
      v8 w0 = load(panel + 16 * k), w1 = load(panel + 16 * k + 8);
      KEEP_IN_REGISTER(w0);
      KEEP_IN_REGISTER(w1);
      UNROLL for (int r = 0; r < R; r++) {
        v8 x = all(a[r * K + k]);
        s[r][0] += x * w0;
        s[r][1] += x * w1;
      }
    }
    UNROLL for (int r = 0; r < R; r++) {
      total[r][0] += s[r][0];
      total[r][1] += s[r][1];
    }
  }
  UNROLL for (int r = 0; r < R; r++) {
    float *to = c + r * stride;
    if (mode == ADD) {
      store(to, load(to) + total[r][0]);
      store(to + 8, load(to + 8) + total[r][1]);
    } else if (mode == STORE) {
      store(to, total[r][0] * all(scale[r]));
      store(to + 8, total[r][1] * all(scale[r]));
    } else {
      v8 gate = total[r][0] * all(scale[r]), up = total[r][1] * all(scale[r]);
      store(to, gate / (all(1.0f) + exponential(-gate)) * up); /* SiLU */
    }
  }
}

/* c [M, .] = (ADD: +=) a [M, K] times packed weights of N columns, row m by scale[m] (not for ADD). */
INLINE void product(const int mode, const float *a, int M, int K, const float *w, int N, const float *scale, float *c,
                    int64_t stride) {
  const int wide = mode == GATE ? 8 : 16;
  for (int n = 0; n < N / 16; n++, w += (int64_t)16 * K, c += wide) {
    int m = 0;
    for (; m + ROWS <= M; m += ROWS) tile(ROWS, mode, a + (int64_t)m * K, K, w, scale + m, c + m * stride, stride);
#define REST(R) \
  case R: \
    tile(R, mode, a + (int64_t)m * K, K, w, scale + m, c + m * stride, stride); \
    break;
    switch (M - m) { REST(1) REST(2) REST(3) REST(4) REST(5) }
  }
}

/* Each by itself: a compiler that sees them all at once keeps their sums in memory. */
SEPARATE product_store(const float *a, int M, int K, const float *w, int N, const float *scale, float *c) {
  product(STORE, a, M, K, w, N, scale, c, N);
}
SEPARATE product_add(const float *a, int M, int K, const float *w, int N, float *c) {
  product(ADD, a, M, K, w, N, a, c, N);
}
SEPARATE product_gate(const float *a, int M, int K, const float *w, int N, const float *scale, float *c) {
  product(GATE, a, M, K, w, N, scale, c, N / 2);
}

SEPARATE inverse_rms_of(const float *x, int M, int C, float epsilon, float *scale) {
  inverse_rms(x, M, C, epsilon, scale);
}

/* -- rows -- */

typedef struct {
  const int32_t *shared, *mine; /* [., table]: block numbers */
  const int32_t *seen;          /* tokens in shared blocks */
  int32_t *own;                 /* tokens of its own that stand before this one */
  int64_t table, block_floats;  /* columns; floats of a block, of all layers */
} Rows;

/* Those of them that go through the layers side by side. */
typedef struct {
  int32_t row[SIDE];
  int64_t token_ids[SIDE];
  int count;
} Live;

/* -- attention -- */

/* Norm and rotate the queries and keys of qkv [N, (H + 2 Hkv) * D] in place, each by the tokens that stand before it.
   cosine, sine: [room, D / 2]. */
SEPARATE rotate(const Shape *s, const Rows *rows, const Live *live, float *qkv, const float *norms, const float *cosine,
                const float *sine) {
  const int D = s->head_dim, half = D / 2, rotated = s->heads + s->kv_heads;
  for (int n = 0; n < live->count; n++, qkv += (rotated + s->kv_heads) * D) {
    const int64_t position = (int64_t)rows->seen[live->row[n]] + rows->own[live->row[n]];
    const float *cosines = cosine + position * half, *sines = sine + position * half;
    for (int h = 0; h < rotated; h++) {
      float *y = qkv + h * D, scale = 1.0f;
      if (norms) inverse_rms(y, 1, D, s->epsilon, &scale);
      for (int d = 0; d < half; d += 8) {
        v8 a = load(y + d) * all(scale), b = load(y + half + d) * all(scale), c = load(cosines + d), z = load(sines + d);
        if (norms) {
          a *= load(norms + h * D + d);
          b *= load(norms + h * D + half + d);
        }
        store(y + d, a * c - b * z);
        store(y + half + d, b * c + a * z);
      }
    }
  }
}

/* scores [R, .] of R queries [R, D] against the 32 tokens of a block */
INLINE void score(const int R, const float *q, const float *keys, int D, float scale, float *scores, int64_t stride) {
  v8 s[2][4];
  UNROLL for (int r = 0; r < R; r++) UNROLL for (int j = 0; j < 4; j++) s[r][j] = all(0);
  for (int d = 0; d < D; d++, keys += BLOCK)
    UNROLL for (int r = 0; r < R; r++) {
      v8 x = all(q[r * D + d]);
      UNROLL for (int j = 0; j < 4; j++) s[r][j] += x * load(keys + 8 * j);
    }
  UNROLL for (int r = 0; r < R; r++)
    UNROLL for (int j = 0; j < 4; j++) store(scores + r * stride + 8 * j, s[r][j] * all(scale));
}

/* o [R, .] += laws [R, .] times the values [count, D] of a block, W vectors of dimensions */
INLINE void weigh(const int R, const int W, const float *law, int64_t stride, const float *values, int count, int D,
                  float *o) {
  v8 s[2][4];
  UNROLL for (int r = 0; r < R; r++) UNROLL for (int j = 0; j < W; j++) s[r][j] = all(0);
  for (int t = 0; t < count; t++, values += D)
    UNROLL for (int r = 0; r < R; r++) {
      v8 x = all(law[r * stride + t]);
      UNROLL for (int j = 0; j < W; j++) s[r][j] += x * load(values + 8 * j);
    }
  UNROLL for (int r = 0; r < R; r++)
    UNROLL for (int j = 0; j < W; j++) store(o + r * D + 8 * j, load(o + r * D + 8 * j) + s[r][j]);
}

INLINE void softmax(float *scores, int L) {
  const int padded = (L + 7) & ~7;
  for (int l = L; l < padded; l++) scores[l] = -INFINITY;
  v8 highest = load(scores), total = all(0);
  for (int l = 8; l < padded; l += 8) highest = choose(highest > load(scores + l), highest, load(scores + l));
  float top = highest[0];
  for (int j = 1; j < 8; j++) top = highest[j] > top ? highest[j] : top;
  for (int l = 0; l < padded; l += 8) store(scores + l, exponential(load(scores + l) - all(top)));
  for (int l = L; l < padded; l++) scores[l] = 0.0f;
  for (int l = 0; l < padded; l += 8) total += load(scores + l);
  const v8 inverse = all(1.0f / sum(total));
  for (int l = 0; l < padded; l += 8) store(scores + l, load(scores + l) * inverse);
}

/* What a row attends to: `count` tokens of the blocks that a table names, one part of them after the other. */
typedef struct {
  const int32_t *blocks;
  int32_t count;
} Tokens;

/* o [R, D]: the outputs of R heads that share keys and values, which begin at `keys` and `values` of each block. */
INLINE void attend(const int R, const float *q, const Tokens parts[2], const float *keys, const float *values,
                   int64_t block_floats, int D, float *scores, int64_t stride, float *o) {
  const float scale = 1.0f / sqrtf((float)D);
  int L = 0;
  for (int part = 0; part < 2; part++)
    for (int t = 0; t < parts[part].count; t += BLOCK) {
      int left = parts[part].count - t;
      score(R, q, keys + parts[part].blocks[t / BLOCK] * block_floats, D, scale, scores + L, stride);
      L += left < BLOCK ? left : BLOCK; /* what stands past the end of a part is overwritten by the next one */
    }
  for (int r = 0; r < R; r++) softmax(scores + r * stride, L);
  memset(o, 0, sizeof(float) * R * D);
  L = 0;
  for (int part = 0; part < 2; part++)
    for (int t = 0; t < parts[part].count; t += BLOCK) {
      int left = parts[part].count - t, count = left < BLOCK ? left : BLOCK, d = 0;
      const float *block = values + parts[part].blocks[t / BLOCK] * block_floats;
      for (; d + 32 <= D; d += 32) weigh(R, 4, scores + L, stride, block + d, count, D, o + d);
      for (; d < D; d += 16) weigh(R, 2, scores + L, stride, block + d, count, D, o + d);
      L += count;
    }
}

/* Write each row's key and value down, then attend. A row may attend to another that stands before it in its blocks. */
SEPARATE attention(const Shape *s, const Rows *rows, const Live *live, const float *qkv, float *pool, float *scores,
                   int64_t stride, float *o) {
  const int H = s->heads, G = s->kv_heads, D = s->head_dim, shares = H / G, width = (H + 2 * G) * D;
  const int64_t head_floats = D * BLOCK;
  for (int n = 0; n < live->count; n++) {
    const int64_t row = live->row[n], place = rows->own[row] % BLOCK;
    float *block = pool + rows->mine[row * rows->table + rows->own[row] / BLOCK] * rows->block_floats;
    for (int h = 0; h < G; h++, block += head_floats) {
      const float *key = qkv + (int64_t)n * width + (H + h) * D, *value = key + G * D;
      for (int d = 0; d < D; d++) block[d * BLOCK + place] = key[d];
      memcpy(block + G * head_floats + place * D, value, D * sizeof(float));
    }
  }
  for (int n = 0; n < live->count; n++) {
    const int64_t row = live->row[n];
    const Tokens parts[2] = {{rows->shared + row * rows->table, rows->seen[row]},
                             {rows->mine + row * rows->table, rows->own[row] + 1}};
    for (int h = 0; h < G; h++) {
      const float *keys = pool + h * head_floats, *values = keys + G * head_floats;
      for (int r = 0; r < shares; r += 2) {
        const int64_t head = h * shares + r;
        const float *q = qkv + (int64_t)n * width + head * D;
        float *to = o + ((int64_t)n * H + head) * D;
        if (r + 2 <= shares)
          attend(2, q, parts, keys, values, rows->block_floats, D, scores, stride, to);
        else
          attend(1, q, parts, keys, values, rows->block_floats, D, scores, stride, to);
      }
    }
  }
}

/* -- the whole pass -- */

typedef struct {
  const Layer *layers;
  const float *embedding, *head; /* [V, C]; packed, V padded to whole panels */
  const float *cosine, *sine;    /* [room, D / 2] */
  float *pool;                   /* keys and values [blocks, layers, 2, Hkv, 32 * D] */
} Model;

/* Memory for SIDE rows. */
typedef struct {
  float *x, *qkv, *o, *opened, *scale, *logits, *shares, *scores;
  int64_t stride; /* of scores */
} Scratch;

INLINE int64_t padded_vocab(const Shape *s) { return (s->vocab + 15) & ~15; }

static Scratch scratch_at(const Shape *s, int table, float *memory) {
  const int heads_wide = s->heads * s->head_dim;
  Scratch f = {.stride = 2 * (int64_t)(table + 1) * BLOCK};
  f.x = memory;
  f.qkv = f.x + SIDE * s->hidden;
  f.o = f.qkv + SIDE * (heads_wide + 2 * s->kv_heads * s->head_dim);
  f.opened = f.o + SIDE * heads_wide;
  f.scale = f.opened + SIDE * s->intermediate;
  f.logits = f.scale + SIDE;
  f.shares = f.logits + SIDE * padded_vocab(s);
  f.scores = f.shares + padded_vocab(s);
  return f;
}

/* Floats of the memory that is needed where tables have so many columns. */
int64_t groupthink_scratch_floats(const Shape *s, int table) {
  const Scratch f = scratch_at(s, table, 0);
  return f.scores + 2 * f.stride - f.x;
}

/* One token more for live rows, through all layers. */
static void pass(const Shape *s, const Model *model, const Rows *rows, const Live *live, const Scratch *f) {
  const int N = live->count, C = s->hidden, I = s->intermediate, width = (s->heads + 2 * s->kv_heads) * s->head_dim;
  const int64_t layer_floats = rows->block_floats / s->layers;
  for (int n = 0; n < N; n++) memcpy(f->x + n * C, model->embedding + live->token_ids[n] * C, C * sizeof(float));
  for (int l = 0; l < s->layers; l++) {
    const Layer *layer = model->layers + l;
    inverse_rms_of(f->x, N, C, s->epsilon, f->scale);
    product_store(f->x, N, C, layer->qkv, width, f->scale, f->qkv);
    rotate(s, rows, live, f->qkv, s->qk_norm ? layer->qk_norm : 0, model->cosine, model->sine);
    attention(s, rows, live, f->qkv, model->pool + l * layer_floats, f->scores, f->stride, f->o);
    product_add(f->o, N, s->heads * s->head_dim, layer->out, C, f->x);
    inverse_rms_of(f->x, N, C, s->epsilon, f->scale);
    product_gate(f->x, N, C, layer->gate_up, 2 * I, f->scale, f->opened);
    product_add(f->opened, N, I, layer->down, C, f->x);
  }
}

/* logits [N, padded V] after the first N rows of what a pass has left behind */
static void head(const Shape *s, const Model *model, int N, const Scratch *f, float *logits) {
  inverse_rms_of(f->x, N, s->hidden, s->epsilon, f->scale);
  product_store(f->x, N, s->hidden, model->head, padded_vocab(s), f->scale, logits);
}

/*
 * One token more for N rows; logits [W, padded V] after those that `wanted` [W] names, which rise. Gives the row whose
 * token id is none of the vocabulary, before anything is done, or -1.
 */
int groupthink_step(const Shape *s, const Model *model, const Rows *rows, int N, const int64_t *token_ids, int W,
                    const int32_t *wanted, float *logits, float *memory) {
  for (int n = 0; n < N; n++)
    if (token_ids[n] < 0 || token_ids[n] >= s->vocab) return n;
  const Scratch f = scratch_at(s, rows->table, memory);
  for (int start = 0, w = 0; start < N; start += SIDE) {
    Live live = {.count = N - start < SIDE ? N - start : SIDE};
    for (int n = 0; n < live.count; n++) live.row[n] = start + n, live.token_ids[n] = token_ids[start + n];
    pass(s, model, rows, &live, &f);
    int found = 0;
    for (; w + found < W && wanted[w + found] < start + live.count; found++)
      memmove(f.x + found * s->hidden, f.x + (wanted[w + found] - start) * s->hidden, s->hidden * sizeof(float));
    head(s, model, found, &f, logits + w * padded_vocab(s));
    w += found;
  }
  return -1;
}

/*
 * Up to `most` tokens for each of N rows, that of the first from `logits` (rows `stride` apart): a row ends with a token
 * of `is_stop` [V], or at its limit. SIDE rows draw all of theirs before the next ones begin, so that their keys and
 * values stay in a cache. `after` [N, padded V]: the logits after the last token of those that have not ended.
 */
void groupthink_draw_many(const Shape *s, const Model *model, Rows *rows, const Ledger *ledger, int N, int most,
                          const float *logits, int64_t stride, const uint8_t *is_stop, float *after, uint8_t *ended,
                          float *memory) {
  const int64_t V = padded_vocab(s);
  const Scratch f = scratch_at(s, rows->table, memory);
  for (int start = 0; start < N; start += SIDE) {
    Live live = {.count = N - start < SIDE ? N - start : SIDE};
    for (int n = 0; n < live.count; n++) live.row[n] = start + n;
    for (int step = 0; step < most && live.count; step++) {
      int kept = 0;
      for (int n = 0; n < live.count; n++) {
        const int32_t row = live.row[n];
        const float *its = step ? f.logits + n * V : logits + row * stride;
        const int64_t token = draw_token(ledger, row, its, s->vocab, f.shares);
        ended[row] = is_stop[token] || ledger->count[row] >= ledger->limit[row];
        if (!ended[row]) live.row[kept] = row, live.token_ids[kept++] = token;
      }
      live.count = kept;
      pass(s, model, rows, &live, &f);
      head(s, model, kept, &f, f.logits);
      for (int n = 0; n < kept; n++) rows->own[live.row[n]]++;
    }
    for (int n = 0; n < live.count; n++) memcpy(after + live.row[n] * V, f.logits + n * V, V * sizeof(float));
  }
}

VECTORS_END
