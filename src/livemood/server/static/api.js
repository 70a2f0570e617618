/** Requests to the server that this page came from, with the reader's token if there is one. */
import { keep, kept } from "./kept.js";

const KEPT = "livemood.token";

/** What a token may consist of (RFC 9110, section 5.6.2): anything else cannot be sent. */
const SENDABLE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

export function sendable(value) {
  return SENDABLE.test(value);
}

export function token() {
  const found = kept(KEPT) ?? "";
  return SENDABLE.test(found) ? found : "";
}

/**
 * Use `value` from now on; in this tab only, or in this browser until it is forgotten. Whether the
 * page still has it when it is loaded again.
 */
export function setToken(value, remember) {
  return keep(KEPT, value, remember);
}

let ahead = NaN;

/** What time it is at the server, in ms since 1970, to a second; NaN before it first said so. */
export function serverNow() {
  return performance.now() + ahead;
}

/** What the server said no to; `status` is 0 where there was no answer. */
export class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/**
 * The answer to a request: what its JSON holds, or the response itself with `raw`.
 * @param {string} path
 * @param {{method?: string, body?: unknown, raw?: boolean}} [options]
 */
export async function ask(path, { method = "GET", body, raw = false } = {}) {
  const headers = token() ? { authorization: `Bearer ${token()}` } : {};
  // Files go as they are, everything else as JSON.
  const plain = body === undefined || body instanceof Blob;
  if (!plain) headers["content-type"] = "application/json";
  const init = { method, headers, body: plain ? body : JSON.stringify(body) };
  const response = await fetch(path, init).catch(() => {
    throw new Refusal(0, "unreachable", "");
  });
  ahead = Date.parse(response.headers.get("date")) - performance.now();
  if (!response.ok) {
    const { error } = await response.json().catch(() => ({}));
    throw new Refusal(response.status, error?.code ?? "", error?.message ?? response.statusText);
  }
  if (raw) return response;
  return response.status === 204 ? null : response.json();
}
