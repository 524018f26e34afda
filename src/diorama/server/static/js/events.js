// A job as it changes: server-sent events, and asking again and again where those don't come through.

import { eventsUrl, job as fetchJob } from "./api.js";

const FINAL = new Set(["waiting", "done", "failed"]);
const POLL_MS = 1500;
const TRIES = 3; // event streams in a row that brought nothing (a proxy may swallow them)

export const isFinal = (job) => FINAL.has(job.state);

/**
 * Follow a job until it is finished.
 * @param onJob gets every new state of the job
 * @param onConnection gets false when the server can't be reached, true when it can again
 * @param onGone gets the Problem when the job is no more
 * @returns a function that stops following
 */
export function follow(id, { onJob, onConnection = () => {}, onGone = () => {} }) {
  let source = null;
  let timer = 0;
  let stopped = false;
  let silent = 0;

  const stop = () => {
    stopped = true;
    source?.close();
    clearTimeout(timer);
  };

  const take = (job) => {
    if (stopped) return;
    onConnection(true);
    if (isFinal(job)) stop();
    onJob(job);
  };

  const listen = () => {
    if (stopped) return;
    source = new EventSource(eventsUrl(id));
    let heard = false;
    source.addEventListener("job", (event) => {
      heard = true;
      silent = 0;
      take(JSON.parse(event.data));
    });
    source.addEventListener("error", () => {
      // The server closes the stream after a final state; anything else is looked at by asking.
      source.close();
      if (!heard) silent += 1;
      void ask();
    });
  };

  const ask = async () => {
    if (stopped) return;
    try {
      take(await fetchJob(id));
    } catch (problem) {
      if (stopped) return;
      if (problem.status === 404) {
        stop();
        onGone(problem);
        return;
      }
      onConnection(false);
    }
    if (!stopped) timer = setTimeout(silent >= TRIES ? ask : listen, POLL_MS);
  };

  listen();
  return stop;
}
