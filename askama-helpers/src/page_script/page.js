// tracehop (MIT OR Apache-2.0): continues the page's trace in its requests. See https://docs.rs/tracehop-askama

// The headers of one request, or of a message that has no headers, with a span id of their own. Empty without a trace.
export function traceHeaders() {
  try {
    // Sentry's SDK continues the trace itself, also if it is loaded later.
    if (globalThis.__SENTRY__) return {};
    const tag = (name) => [...document.querySelectorAll(`meta[name="${name}"]`)].pop()?.content;
    const timing = (name) =>
      performance.getEntriesByType("navigation")[0].serverTiming.find((it) => it.name == name)?.description;
    const read = tag("sentry-trace") ? tag : timing;
    // Throws if there is no trace, or a malformed one.
    const [, id, sampled = ""] = read("sentry-trace").match(
      /^\s*(?!0+-)([\da-f]{32})-(?!0{16})[\da-f]{16}(?:(-[01])|-)?\s*$/,
    );
    const baggage = read("baggage") ?? "";
    if (!/^([\t ]*[!-+\--<>-~]+[\t ]*=[\t -+\--~]*(,|$))*$/.test(baggage)) return {};
    const dsc = baggage.split(",").map((it) => it.trim()).filter((it) => it.startsWith("sentry-"));
    const span = crypto.getRandomValues(new BigUint64Array(1))[0] || 1n;
    const headers = { "sentry-trace": `${id}-${span.toString(16).padStart(16, 0)}${sampled}` };
    // Tags of two traces, such as an old one beside one that was swapped in, are no pair.
    if (dsc[0] && dsc.every((it) => !/^sentry-trace_id\b/.test(it) || it.includes(id))) headers.baggage = dsc.join();
    return headers;
  } catch {
    return {};
  }
}

{
  // The page's own origin, and those in <meta name="trace-origins" content="https://a.example https://b.example">.
  const isTarget = (url) => {
    const { origin } = new URL(url, document.baseURI);
    const listed = document.querySelector("meta[name=trace-origins]")?.content ?? "";
    return origin == self.origin || listed.split(/\s+/).some((it) => `${it}/`.startsWith(`${origin}/`));
  };

  // Names, properties, `this` and results stay as they are. If `before` throws, the arguments do as well.
  const wrap = (object, name, before) => {
    try {
      object[name] = new Proxy(object[name], {
        apply(original, self, args) {
          try {
            args = before(self, args) ?? args;
          } catch {}
          return Reflect.apply(original, self, args);
        },
      });
    } catch {}
  };

  wrap(globalThis, "fetch", (_, [input, init]) => {
    const trace = Object.entries(traceHeaders());
    if (!trace[0] || !isTarget(input.url ?? input)) return;
    const add = (headers) => {
      if (!headers.has("sentry-trace")) trace.forEach((it) => headers.append(...it));
      return headers;
    };
    if (input.url) {
      // As `fetch` itself does. Passing options beside the request would reset the request's referrer.
      const request = new Request(input, init);
      add(request.headers);
      return [request];
    }
    const options = {};
    // `in` also finds inherited properties: the options may be another request.
    for (const name in init) options[name] = init[name];
    // A plain object: code that wrapped `fetch` earlier may accept no other kind of headers.
    options.headers = Object.fromEntries(add(new Headers(init?.headers)));
    return [input, options];
  });

  const xhr = globalThis.XMLHttpRequest?.prototype;
  const pending = new WeakSet();
  wrap(xhr, "open", (self, [, url]) => {
    pending.delete(self);
    if (isTarget(url)) pending.add(self);
  });
  wrap(xhr, "setRequestHeader", (self, [name]) => {
    if (/^sentry-trace$/i.test(name)) pending.delete(self);
  });
  wrap(xhr, "send", (self) => {
    if (pending.delete(self)) Object.entries(traceHeaders()).forEach((it) => self.setRequestHeader(...it));
  });
}
