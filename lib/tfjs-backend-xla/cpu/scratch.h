// Memory that calls use again: the system would clear fresh pages each time, which takes as long as a small product. It is none of
// malloc's, whose heap it would cut into parts that are too small for XLA's buffers.
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <mutex>
#include <new>

namespace products {

// A piece of memory aligned to a page, handed back when this is gone. `data` is null if there was none.
class Scratch {
 public:
  explicit Scratch(size_t bytes) : piece_(take(bytes)) {}
  ~Scratch() {
    if (piece_.data == nullptr) return;
    if (piece_.bytes > kLargestKept) {
      munmap(piece_.data, piece_.bytes);
      return;
    }
    std::lock_guard<std::mutex> lock(mutex());
    first() = new (piece_.data) Kept{first(), piece_.bytes};
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  char* data() const { return piece_.data; }

 private:
  // A huge page.
  static constexpr size_t kSmallest = size_t{1} << 21;
  static constexpr size_t kLargestKept = size_t{1} << 28;
  // A piece that is so many times larger than what is asked for is left to another.
  static constexpr size_t kTooLarge = 4;

  struct Piece {
    char* data;
    size_t bytes;
  };
  // Lies at the start of a piece that nobody uses.
  struct Kept {
    Kept* next;
    size_t bytes;
  };

  static std::mutex& mutex() {
    static std::mutex the_mutex;
    return the_mutex;
  }

  static Kept*& first() {
    static Kept* the_first = nullptr;
    return the_first;
  }

  // The smallest kept piece that is large enough, or a new one whose size is a power of two.
  static Piece take(size_t bytes) {
    size_t size = kSmallest;
    while (size < bytes) size *= 2;
    {
      std::lock_guard<std::mutex> lock(mutex());
      Kept** best = nullptr;
      for (Kept** each = &first(); *each != nullptr; each = &(*each)->next) {
        const size_t has = (*each)->bytes;
        if (has >= size && has <= kTooLarge * size && (best == nullptr || has < (*best)->bytes)) best = each;
      }
      if (best != nullptr) {
        Kept* piece = *best;
        *best = piece->next;
        return {reinterpret_cast<char*>(piece), piece->bytes};
      }
    }
    void* pages = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return {nullptr, 0};
    madvise(pages, size, MADV_HUGEPAGE);
    return {static_cast<char*>(pages), size};
  }

  Piece piece_;
};

}  // namespace products
