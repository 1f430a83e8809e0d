import type { Api } from "./api";
import { Lane } from "./lane";

/** Events of one device become ready in order: two waiting threads serve as well as many. */
const waits = new Lane(2);

/**
 * Waits for a PJRT_Event without blocking the event loop, and frees it.
 * Throws the PjrtError of the computation or copy that the event stands for.
 */
export async function eventDone(api: Api, event: bigint): Promise<void> {
  try {
    if (api.call("Event_IsReady", { event }).bool("is_ready")) api.call("Event_Await", { event });
    else await waits.run(() => api.prepare("Event_Await", { event }).runAsync());
  } finally {
    api.call("Event_Destroy", { event });
  }
}

/** Waits for a PJRT_Event on this thread, and frees it. Throws like {@link eventDone}. */
export function eventDoneSync(api: Api, event: bigint): void {
  try {
    api.call("Event_Await", { event });
  } finally {
    api.call("Event_Destroy", { event });
  }
}
