// Requests to the daemon, by relative paths: a proxy may have the page under any path. The token travels in a header and is kept in
// this tab alone, so that no other site's page can make a browser send it.

const KEY = "oktabus-token";

export const token = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function request(path, options = {}) {
  const headers = { ...options.headers };
  if (token.get()) headers.authorization = `Bearer ${token.get()}`;
  const response = await fetch(path, { ...options, headers, cache: "no-store", credentials: "same-origin" });
  if (!response.ok && !options.anyStatus) throw new Refused(response.status, (await response.text()).trim());
  return response;
}

export const getJson = async (path) => (await request(path)).json();

export const getText = async (path) => {
  const response = await request(path, { anyStatus: true });
  return { ok: response.ok, text: (await response.text()).trim() };
};

export const postJson = async (path, body) => {
  const options = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  return (await request(path, options)).json();
};

/** Reads server-sent events until they end or `signal` says so. `EventSource` could send no token. */
export async function follow(path, signal, handle, opened) {
  const response = await request(path, { signal });
  opened?.();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let unread = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    unread += value;
    const blocks = unread.split("\n\n");
    unread = blocks.pop();
    for (const block of blocks) {
      const field = (name) => {
        const line = block.split("\n").find((line) => line.startsWith(`${name}: `));
        return line?.slice(name.length + 2);
      };
      if (field("data") !== undefined) handle(field("event"), JSON.parse(field("data")));
      else handle("alive");
    }
  }
}
