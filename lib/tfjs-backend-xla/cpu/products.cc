// Products of f32 matrices on Intel's tile unit (AMX), which multiplies bfloat16 only, sixteen times as many numbers a cycle as f32.
//
// Each f32 number x is taken apart without loss into three of bfloat16, x = h + m + l of 8 bits each, and a product of two numbers into
// six: hh + hm + mh + hl + mm + lh. The three that are left out are 2^-26 of the product in root mean square, 2^-23 at most. The unit adds
// 32 products to a sum at a time, so that sums are rounded less often than by plain f32. (Henry, Tang and Heinecke 2019,
// arXiv 1904.06376; XLA calls it BF16_BF16_F32_X6.) Numbers and products below 2^-103 lose bits, since the unit takes subnormal numbers
// for 0; products within 2^-8 of the largest number may be infinite.
// Where bfloat16 is asked for, numbers are rounded instead, and one product is enough.
//
// The smaller operand is packed first, as a whole; the larger one a panel at a time by the task that multiplies it, so that each number is
// taken apart once.
#include "products.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

#include "scratch.h"
#include "tiles.h"

namespace products {
namespace {

// What a task packs at a time at most: so much of an operand's free index by so many of the sum's terms, which stay in the L2 cache.
constexpr int64_t kPanel = 256, kBlock = 512;

// The work of one call.
struct Work {
  const Product& product;
  // Whether A is the larger operand, whose panels are the tasks.
  bool rows_are_tasks;
  // Tiles along the sum, and along the smaller operand's free index: a whole number of pairs.
  int64_t depth, small_tiles;
  // How much of the larger operand's free index a task takes, and how many tasks a product is.
  int64_t panel, panels;
  // The smaller operands.
  char* packed;
  std::atomic<bool> unusual{false};
  std::atomic<bool> failed{false};

  Operand a(int64_t g) const {
    const auto& p = product;
    return {p.a + g * p.m * p.k, p.m, p.k, p.a_turned ? 1 : p.k, p.a_turned ? p.m : 1};
  }
  Operand b(int64_t g) const {
    const auto& p = product;
    return {p.b + g * p.k * p.n, p.n, p.k, p.b_turned ? p.k : 1, p.b_turned ? 1 : p.n};
  }
  Operand small(int64_t g) const { return rows_are_tasks ? b(g) : a(g); }
  Operand large(int64_t g) const { return rows_are_tasks ? a(g) : b(g); }
  int64_t planes() const { return product.bf16 ? 1 : 3; }
  char* packedOf(int64_t g) const { return packed + g * small_tiles * depth * planes() * kTileBytes; }
};

// Packs a part of a smaller operand.
template <int kPlanes>
AMX_TARGET void packSmall(void* data, int64_t i) {
  Work& work = *static_cast<Work*>(data);
  const int64_t blocks = up(work.product.k, kBlock), parts = up(work.small_tiles * kRows, kPanel);
  const int64_t g = i / (blocks * parts), free = i / blocks % parts * kPanel, sum = i % blocks * kBlock;
  const Operand x = work.small(g);
  const int64_t stride = work.depth * kPlanes * kTileBytes;
  char* to = work.packedOf(g) + free / kRows * stride + sum / kDepth * kPlanes * kTileBytes;
  const int64_t free_end = std::min(free + kPanel, x.free), sum_end = std::min(sum + kBlock, x.sum);
  if (pack<kPlanes>(x, free, free_end, sum, sum_end, !work.rows_are_tasks, to, stride)) work.unusual = true;
}

template <int kPlanes>
AMX_TARGET void multiplyPanel(void* data, int64_t i) {
  Work& work = *static_cast<Work*>(data);
  const Product& p = work.product;
  if (work.unusual) return;  // all will be computed otherwise
  const int64_t g = i / work.panels, first = i % work.panels * work.panel;
  const Operand x = work.large(g);
  const int64_t last = std::min(first + work.panel, x.free);
  const Scratch memory(kPanel * kBlock * 2 * kPlanes);
  char* panel = memory.data();
  if (panel == nullptr) {
    work.failed = true;
    return;
  }
  static constexpr TileConfig config;
  _tile_loadconfig(&config);
  const char* small = work.packedOf(g);
  float* c = p.c + g * p.m * p.n;
  for (int64_t sum = 0; sum < p.k; sum += kBlock) {
    const int64_t sum_end = std::min(sum + kBlock, p.k), depth = up(sum_end - sum, kDepth);
    const int64_t small_stride = work.depth * kPlanes * kTileBytes, panel_stride = depth * kPlanes * kTileBytes;
    if (pack<kPlanes>(x, first, last, sum, sum_end, work.rows_are_tasks, panel, panel_stride)) work.unusual = true;
    const int64_t tiles = up(last - first, kRows);
    // The smaller operand's next pair of rows of tiles is fetched while this one is used, a part by each micro kernel.
    const int64_t pairs = up(tiles, 2), row_bytes = depth * kPlanes * kTileBytes;
    const int64_t ahead_bytes = 2 * kPlanes * kTileBytes / pairs;
    for (int64_t s = 0; s < work.small_tiles; s += 2) {
      const char* s0 = small + s * small_stride + sum / kDepth * kPlanes * kTileBytes;
      for (int64_t t = 0; t < tiles; t += 2) {
        const char* t0 = panel + t * panel_stride;
        const int64_t row = work.rows_are_tasks ? first + t * kRows : s * kRows;
        const int64_t column = work.rows_are_tasks ? s * kRows : first + t * kRows;
        const char *a0 = work.rows_are_tasks ? t0 : s0, *b0 = work.rows_are_tasks ? s0 : t0;
        const int64_t a_stride = work.rows_are_tasks ? panel_stride : small_stride;
        const int64_t b_stride = work.rows_are_tasks ? small_stride : panel_stride;
        const int64_t rows = std::min(kPair, p.m - row), columns = std::min(kPair, p.n - column);
        float* to = c + row * p.n + column;
        const int64_t offset = t * row_bytes / pairs;
        const char* next = s0 + (offset < row_bytes ? 2 * small_stride + offset : 3 * small_stride + offset - row_bytes);
        const Ahead ahead{next, s + 2 < work.small_tiles ? ahead_bytes : 0};
        if (rows == kPair && columns == kPair && sum == 0) {
          micro<kPlanes>(a0, a0 + a_stride, b0, b0 + b_stride, depth, to, p.n, ahead);
          continue;
        }
        // Each block is summed by itself: a sum's terms are rounded to the size of what they are added to.
        alignas(64) float part[kPair * kPair];
        micro<kPlanes>(a0, a0 + a_stride, b0, b0 + b_stride, depth, part, kPair, ahead);
        for (int64_t r = 0; r < rows; r++)
          for (int64_t j = 0; j < columns; j++)
            to[r * p.n + j] = sum == 0 ? part[r * kPair + j] : to[r * p.n + j] + part[r * kPair + j];
      }
    }
  }
  _tile_release();
}

// A row of C in plain f32: for numbers that cannot be taken apart.
AMX_TARGET void multiplyRow(void* data, int64_t i) {
  const Product& p = *static_cast<const Product*>(data);
  const int64_t g = i / p.m, row = i % p.m;
  const float *a = p.a + g * p.m * p.k + row * (p.a_turned ? 1 : p.k), *b = p.b + g * p.k * p.n;
  const int64_t a_stride = p.a_turned ? p.m : 1;
  float* c = p.c + i * p.n;
  if (!p.b_turned) {
    std::memset(c, 0, p.n * sizeof(float));
    for (int64_t k = 0; k < p.k; k++)
      for (int64_t j = 0; j < p.n; j++) c[j] += a[k * a_stride] * b[k * p.n + j];
    return;
  }
  for (int64_t j = 0; j < p.n; j++) {
    float sums[16] = {}, sum = 0;
    int64_t k = 0;
    for (; k + 16 <= p.k; k += 16)
      for (int64_t lane = 0; lane < 16; lane++) sums[lane] += a[(k + lane) * a_stride] * b[j * p.k + k + lane];
    for (; k < p.k; k++) sum += a[k * a_stride] * b[j * p.k + k];
    for (const float each : sums) sum += each;
    c[j] = sum;
  }
}

}  // namespace

bool supported() {
  static const bool is_supported = [] {
    constexpr int kRequestPermission = 0x1023, kTileData = 18;
    unsigned eax, ebx, ecx, edx;
    asm volatile("cpuid" : "=a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx) : "a"(0), "c"(0));
    if (eax < 7) return false;
    asm volatile("cpuid" : "=a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx) : "a"(7), "c"(0));
    const bool has_tiles = (edx >> 24 & 1) && (edx >> 22 & 1);
    return has_tiles && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  }();
  return is_supported;
}

bool multiply(const Product& p, Parallel& parallel) {
  const bool rows_are_tasks = p.m >= p.n;
  const int64_t small = rows_are_tasks ? p.n : p.m, large = rows_are_tasks ? p.m : p.n;
  // As many tasks as threads have use for, so that none is left with one of two.
  const int64_t threads = parallel.threads(), fewest = up(large, kPanel);
  const int64_t wanted = p.batch * fewest < 4 * threads ? up(p.batch * fewest, threads) * threads / p.batch : fewest;
  const int64_t panel = std::max(up(large, std::max(fewest, wanted) * kPair) * kPair, 2 * kPair);
  Work work{p, rows_are_tasks, up(p.k, kDepth), 2 * up(small, kPair), panel, up(large, panel), nullptr};
  const Scratch memory(p.batch * work.small_tiles * work.depth * work.planes() * kTileBytes);
  work.packed = memory.data();
  if (work.packed == nullptr) return false;
  const int64_t parts = p.batch * up(work.small_tiles * kRows, kPanel) * up(p.k, kBlock);
  parallel.run(parts, p.bf16 ? packSmall<1> : packSmall<3>, &work);
  if (!work.unusual) parallel.run(p.batch * work.panels, p.bf16 ? multiplyPanel<1> : multiplyPanel<3>, &work);
  if (work.failed) return false;
  if (work.unusual) parallel.run(p.batch * p.m, multiplyRow, const_cast<Product*>(&p));
  return true;
}

}  // namespace products
