/*
 * Eight floats at a time, for AVX2 and NEON. Included once by each C file, whose last line is VECTORS_END: for clang, what
 * says that functions are made for AVX2 holds up to there.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define UNROLL _Pragma("GCC unroll 8")
/* A function that is not merged into its caller, and one that always is. */
#define SEPARATE __attribute__((noinline)) static void
#define INLINE static inline __attribute__((always_inline))

#if defined(__x86_64__)
/* Asked before anything below is called: that is made for AVX2. */
int groupthink_can_run(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define VECTORS_END _Pragma("clang attribute pop")
#else
#pragma GCC target("avx2,fma")
#endif
#define KEEP_IN_REGISTER(x) __asm__("" : "+x"(x))
#elif defined(__aarch64__)
int groupthink_can_run(void) { return 1; }
#define KEEP_IN_REGISTER(x)
#else
#error "written for x86-64 and aarch64"
#endif
#ifndef VECTORS_END
#define VECTORS_END
#endif

typedef float v8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t i8 __attribute__((vector_size(32), aligned(4), may_alias));

INLINE v8 all(float x) { return (v8){x, x, x, x, x, x, x, x}; }
INLINE v8 load(const float *p) { return *(const v8 *)p; }
INLINE void store(float *p, v8 x) { *(v8 *)p = x; }
INLINE v8 choose(i8 mask, v8 a, v8 b) { return (v8)(((i8)a & mask) | ((i8)b & ~mask)); }
INLINE float sum(v8 x) { return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7])); }

/* e^x for x in [-87, 88], relative error below 2e-7: 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2] (Cephes). */
INLINE v8 exponential(v8 x) {
  const v8 magic = all(12582912.0f); /* 1.5 * 2^23: adding it rounds to a whole number */
  x = choose(x > all(88.0f), all(88.0f), x); /* this way round, NaN stays NaN */
  x = choose(x < all(-87.0f), all(-87.0f), x);
  v8 n = (x * all(1.44269504088896341f) + magic) - magic;
  v8 r = (x - n * all(0.693359375f)) + n * all(2.12194440e-4f);
  v8 p = all(1.9875691500e-4f);
  p = p * r + all(1.3981999507e-3f);
  p = p * r + all(8.3334519073e-3f);
  p = p * r + all(4.1665795894e-2f);
  p = p * r + all(1.6666665459e-1f);
  p = p * r + all(5.0000001201e-1f);
  p = p * (r * r) + r + all(1.0f);
  return p * (v8)((__builtin_convertvector(n, i8) + 127) << 23);
}

/* 1 / sqrt(mean(x^2) + epsilon) of each row */
INLINE void inverse_rms(const float *x, int M, int C, float epsilon, float *scale) {
  for (int m = 0; m < M; m++, x += C) {
    v8 s = all(0);
    for (int c = 0; c < C; c += 8) s += load(x + c) * load(x + c);
    scale[m] = 1.0f / sqrtf(sum(s) / C + epsilon);
  }
}
