import { describe, expect, it } from "vitest";
import { addressOf, decode, encode, NO_PARENT, type Connection } from "./wire";

const bytes = (frames: readonly (string | Uint8Array)[]): Buffer[] => frames.map((frame) => Buffer.from(frame));
const route = bytes(["client a", "client b"]);

describe("the wire format", () => {
  it("brings a message back as it was, behind the way to its sender", () => {
    const asked = decode("key", bytes(encode("key", "s", { route, header: {} }, "ask", { code: "é 😀" })));
    expect(asked).toMatchObject({ header: { msg_type: "ask", session: "s" }, content: { code: "é 😀" } });
    expect(asked?.route).toEqual(route);
    const answered = decode("key", bytes(encode("key", "s", asked ?? NO_PARENT, "answer", { n: 1 })));
    expect(answered?.parent.msg_id).toBe(asked?.header.msg_id);
    expect(answered?.route).toEqual(route);
  });

  it("names every message differently", () => {
    const ids = [1, 2].map(() => decode("", bytes(encode("", "s", NO_PARENT, "ask", {})))?.header.msg_id);
    expect(new Set(ids).size).toBe(2);
  });

  it.each([
    ["another key", (frames: Buffer[]) => ["other", frames] as const],
    [
      "a changed body",
      (frames: Buffer[]) => ["key", [...frames.slice(0, -1), Buffer.from('{"code":"evil"}')]] as const,
    ],
    ["a missing part", (frames: Buffer[]) => ["key", frames.slice(0, -1)] as const],
    ["no delimiter", (frames: Buffer[]) => ["key", frames.slice(1)] as const],
    ["an empty signature", (frames: Buffer[]) => ["key", [frames[0], Buffer.from(""), ...frames.slice(2)]] as const],
  ])("refuses %s", (_, spoil) => {
    const [key, frames] = spoil(bytes(encode("key", "s", NO_PARENT, "ask", { code: "1" })));
    expect(decode(key, frames)).toBeUndefined();
  });

  it("refuses signed text that is no JSON", () => {
    const frames = bytes(encode("", "s", NO_PARENT, "ask", {}));
    expect(decode("", [...frames.slice(0, -1), Buffer.from("{")])).toBeUndefined();
  });

  it("reads frames that are views of a larger buffer", () => {
    const frames = bytes(encode("", "s", NO_PARENT, "ask", {}, [], "id"));
    const pool = Buffer.concat(frames);
    const starts = frames.map((_, i) => Buffer.concat(frames.slice(0, i)).length);
    const views = frames.map(({ length }, i) => new Uint8Array(pool.buffer, pool.byteOffset + starts[i], length));
    expect(decode("", views)?.header.msg_id).toBe("id");
  });

  it("addresses sockets by TCP and by files", () => {
    const connection = { transport: "tcp", ip: "127.0.0.1" } as Connection;
    expect(addressOf(connection, 5)).toBe("tcp://127.0.0.1:5");
    expect(addressOf({ ...connection, transport: "ipc", ip: "/run/k" }, 5)).toBe("ipc:///run/k-5");
  });
});
