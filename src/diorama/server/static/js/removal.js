// Deleting with an undo: the job leaves the page at once and the server when the message has gone.

import * as api from "./api.js";
import { announce } from "./dom.js";
import { toast } from "./shell.js";
import { S } from "./strings.js";

const leaving = new Map();

/** Deleted here, not yet on the server. */
export const isLeaving = (id) => leaving.has(id);

/** Calls `listener` when a job was deleted, brought back, or could not be deleted. */
export function onRemoval(listener) {
  document.addEventListener("diorama-removal", listener);
  return () => document.removeEventListener("diorama-removal", listener);
}

const changed = () => document.dispatchEvent(new Event("diorama-removal"));

export function removeLater(job, { onUndo = () => {} } = {}) {
  const message = toast(S.start.deleted(job.name), {
    action: S.undo,
    onAction() {
      leaving.delete(job.id);
      announce(S.start.kept(job.name));
      changed();
      onUndo();
    },
    onEnd() {
      void api
        .remove(job.id)
        .catch((problem) => {
          if (problem.status !== 404) toast(problem.message); // 404: gone already
        })
        .finally(() => {
          leaving.delete(job.id);
          changed();
        });
    },
  });
  leaving.set(job.id, message);
  changed();
}

// Closing the page is no undo.
addEventListener("pagehide", () => {
  for (const message of [...leaving.values()]) message.end();
});
