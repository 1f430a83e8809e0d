// What the tile unit works on: operands packed into tiles, and the kernel that multiplies them.
#pragma once
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#define AMX_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,amx-tile,amx-bf16")))

namespace products {

// A tile holds 16 rows of 32 bfloat16 numbers, or of 16 f32.
constexpr int64_t kRows = 16, kDepth = 32, kTileBytes = 1024;
// The kernel computes 2 x 2 tiles of C.
constexpr int64_t kPair = 2 * kRows;

inline int64_t up(int64_t x, int64_t to) { return (x + to - 1) / to; }

// One operand of one product: its element (free f, sum k) lies at data[f * free_stride + k * sum_stride], one of the strides being 1.
struct Operand {
  const float* data;
  int64_t free, sum, free_stride, sum_stride;
};

// A vector's numbers taken apart: the upper halves of each 32 bits are bfloat16.
struct Planes {
  __m512i h, m, l;
};

AMX_TARGET inline __m512i upperHalves() { return _mm512_set1_epi32(static_cast<int>(0xffff0000)); }

// To bfloat16, halves away from 0.
AMX_TARGET inline __m512i rounded(__m512 x) {
  return _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000)), upperHalves());
}

// x = h + m + l, without loss; l is no number if x is none, is infinite or rounds to infinity.
AMX_TARGET inline Planes apart(__m512 x) {
  const __m512i h = rounded(x);
  const __m512 rest = _mm512_sub_ps(x, _mm512_castsi512_ps(h));
  const __m512i m = _mm512_and_si512(_mm512_castps_si512(rest), upperHalves());
  return {h, m, _mm512_castps_si512(_mm512_sub_ps(rest, _mm512_castsi512_ps(m)))};
}

// To bfloat16 as conversions have it: halves to even. No number stays none.
AMX_TARGET inline __m512i roundedToEven(__m512 x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i last = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(last, _mm512_set1_epi32(0x7fff)));
  return _mm512_mask_mov_epi32(up, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), _mm512_set1_epi32(0x7fc00000));
}

// Pairs of bfloat16, `even` in the lower halves.
AMX_TARGET inline __m512i paired(__m512i even, __m512i odd) {
  constexpr int kFirstAndSecondOrThird = 0xea;
  return _mm512_ternarylogic_epi32(odd, upperHalves(), _mm512_srli_epi32(even, 16), kFirstAndSecondOrThird);
}

// A 16 x 16 matrix of 32-bit units, turned.
AMX_TARGET inline void turn(__m512 x[16]) {
  __m512i r[16], t[16];
  for (int i = 0; i < 16; i++) r[i] = _mm512_castps_si512(x[i]);
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 8; i++) {
    x[i] = _mm512_castsi512_ps(_mm512_shuffle_i32x4(t[i], t[i + 8], 0x88));
    x[i + 8] = _mm512_castsi512_ps(_mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd));
  }
}

// The first `count` of 16.
inline __mmask16 firstOf16(int64_t count) { return count >= 16 ? 0xffff : count <= 0 ? 0 : (1u << count) - 1; }

// Packs one tile of each plane, of which there are 3 (x = h + m + l) or 1 (x rounded): 16 of the free index by 32 of the sum.
// `left`: rows are the free index and hold pairs along the sum, as the unit wants of A; otherwise rows are pairs along the sum, as it wants
// of B. Numbers outside of the operand are 0. `unusual` learns of numbers that cannot be taken apart.
template <int kPlanes>
AMX_TARGET inline void packTile(const Operand& x, int64_t free, int64_t sum, bool left, char* to, __mmask16* unusual) {
  // As it lies in memory: 16 rows of 2 vectors along the sum, or 32 rows of a vector along the free index.
  const bool by_row = x.sum_stride == 1;
  const float* from = x.data + free * x.free_stride + sum * x.sum_stride;
  __m512 v[2][16];
  if (by_row) {
    const __mmask16 low = firstOf16(x.sum - sum), high = firstOf16(x.sum - sum - 16);
    const int64_t rows = std::min(kRows, x.free - free);
    for (int64_t i = 0; i < kRows; i++) {
      const float* row = from + i * x.free_stride;
      v[0][i] = _mm512_maskz_loadu_ps(i < rows ? low : 0, row);
      v[1][i] = _mm512_maskz_loadu_ps(i < rows ? high : 0, row + 16);
    }
  } else {
    const __mmask16 mask = firstOf16(x.free - free);
    const int64_t rows = std::min(kDepth, x.sum - sum);
    for (int64_t i = 0; i < kDepth; i++) {
      const float* row = from + i * x.sum_stride;
      v[i / 16][i % 16] = _mm512_maskz_loadu_ps(i < rows ? mask : 0, row);
    }
  }
  if (by_row != left) {
    turn(v[0]);
    turn(v[1]);
  }
  // Vector i of the tile is made of 32 numbers: those of rows 2 i and 2 i + 1, or, along the sum, every second one of row i.
  const __m512i evens = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odds = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  __mmask16 bad = 0;
  for (int i = 0; i < 16; i++) {
    const __m512 first = left ? _mm512_permutex2var_ps(v[0][i], evens, v[1][i]) : v[i / 8][2 * i % 16];
    const __m512 second = left ? _mm512_permutex2var_ps(v[0][i], odds, v[1][i]) : v[i / 8][2 * i % 16 + 1];
    if (kPlanes == 1) {
      _mm512_store_si512(to + i * 64, paired(roundedToEven(first), roundedToEven(second)));
      continue;
    }
    const Planes even = apart(first), odd = apart(second);
    _mm512_store_si512(to + i * 64, paired(even.h, odd.h));
    _mm512_store_si512(to + kTileBytes + i * 64, paired(even.m, odd.m));
    _mm512_store_si512(to + 2 * kTileBytes + i * 64, paired(even.l, odd.l));
    bad |= _mm512_cmp_ps_mask(_mm512_castsi512_ps(even.l), _mm512_castsi512_ps(odd.l), _CMP_UNORD_Q);
  }
  *unusual |= bad;
}

// Tiles of a range of the free index and of the sum, as [free tile][sum tile][plane], with `stride` bytes from one free tile to the next.
// The free tiles are a whole number of pairs. Returns whether a number cannot be taken apart.
template <int kPlanes>
AMX_TARGET inline bool pack(const Operand& x, int64_t free, int64_t free_end, int64_t sum, int64_t sum_end, bool left, char* to,
                            int64_t stride) {
  __mmask16 unusual = 0;
  const int64_t tiles = 2 * up(free_end - free, kPair), depth = up(sum_end - sum, kDepth);
  const auto tile = [&](int64_t f, int64_t s) {
    char* at = to + f * stride + s * kPlanes * kTileBytes;
    if (free + f * kRows < x.free)
      packTile<kPlanes>(x, free + f * kRows, sum + s * kDepth, left, at, &unusual);
    else
      std::memset(at, 0, kPlanes * kTileBytes);
  };
  // Along what lies side by side in memory.
  if (x.sum_stride == 1)
    for (int64_t f = 0; f < tiles; f++)
      for (int64_t s = 0; s < depth; s++) tile(f, s);
  else
    for (int64_t s = 0; s < depth; s++)
      for (int64_t f = 0; f < tiles; f++) tile(f, s);
  return unusual != 0;
}

struct TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

// What is to be read soon, by so many bytes for each tile of the sum.
struct Ahead {
  const char* from;
  int64_t bytes;
};

// 2 x 2 tiles of C from `depth` tiles of each of two rows of A and two columns of B.
template <int kPlanes>
AMX_TARGET inline void micro(const char* a0, const char* a1, const char* b0, const char* b1, int64_t depth, float* c, int64_t c_stride,
                             Ahead ahead) {
  const int64_t bytes = c_stride * 4;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
#define LOAD_A(plane)                         \
  _tile_loadd(4, a0 + (plane)*kTileBytes, 64); \
  _tile_loadd(5, a1 + (plane)*kTileBytes, 64)
#define LOAD_B(plane)                         \
  _tile_loadd(6, b0 + (plane)*kTileBytes, 64); \
  _tile_loadd(7, b1 + (plane)*kTileBytes, 64)
#define MULTIPLY           \
  _tile_dpbf16ps(0, 4, 6); \
  _tile_dpbf16ps(1, 4, 7); \
  _tile_dpbf16ps(2, 5, 6); \
  _tile_dpbf16ps(3, 5, 7)
  for (int64_t i = 0; i < depth; i++) {
    for (int64_t line = 0; line < ahead.bytes; line += 64) _mm_prefetch(ahead.from + line, _MM_HINT_T1);
    ahead.from += ahead.bytes;
    if (kPlanes == 3) {
      LOAD_A(2);
      LOAD_B(0);
      MULTIPLY;  // l h
      LOAD_A(1);
      MULTIPLY;  // m h
      LOAD_B(1);
      MULTIPLY;  // m m
      LOAD_A(0);
      MULTIPLY;  // h m
      LOAD_B(2);
      MULTIPLY;  // h l
    } else {
      LOAD_A(0);
    }
    LOAD_B(0);
    MULTIPLY;  // h h
    a0 += kPlanes * kTileBytes;
    a1 += kPlanes * kTileBytes;
    b0 += kPlanes * kTileBytes;
    b1 += kPlanes * kTileBytes;
  }
#undef LOAD_A
#undef LOAD_B
#undef MULTIPLY
  _tile_stored(0, c, bytes);
  _tile_stored(1, c + 16, bytes);
  _tile_stored(2, c + 16 * c_stride, bytes);
  _tile_stored(3, c + 16 * c_stride + 16, bytes);
}

}  // namespace products
