import { expect, it } from "vitest";
import { withHugePages } from "../../lory/bin/huge-pages.js";

it("asks glibc for huge pages on Linux, beside what the user asks for", () => {
  expect(withHugePages({ A: "1" }, "linux", 64)).toEqual({ A: "1", GLIBC_TUNABLES: "glibc.malloc.hugetlb=1" });
  expect(withHugePages({ GLIBC_TUNABLES: "glibc.malloc.check=1" }, "linux", 64).GLIBC_TUNABLES).toBe(
    "glibc.malloc.check=1:glibc.malloc.hugetlb=1",
  );
});

it("lets glibc keep freed memory where few threads share it", () => {
  const { GLIBC_TUNABLES } = withHugePages({}, "linux", 2);
  expect(GLIBC_TUNABLES).toMatch(/^glibc\.malloc\.hugetlb=1:glibc\.malloc\.arena_max=1:glibc\.malloc\.mmap_max=0:/);
});

it("leaves the user's own choice and other systems alone", () => {
  const chosen = { GLIBC_TUNABLES: "glibc.malloc.hugetlb=0" };
  expect(withHugePages(chosen, "linux")).toEqual(chosen);
  expect(withHugePages({}, "darwin")).toEqual({});
});
