// poll_oneoff's subscriptions and events: docs/WASI.md, part 6.
import { FOLDER } from "./desc.mjs";
import { Errno } from "./errno.mjs";
import * as errno from "./errno.mjs";
import { least, left, U64_MAX } from "./number.mjs";
import { MAX_TRANSFER } from "./memory.mjs";

// Bytes of each.
export const SUBSCRIPTION = 48;
export const EVENT = 32;

// subscription reads one: due is how far off a clock is, null for what has an
// event at once: it is no clock, or wrong. now gives a clock's time and get a
// descriptor; both throw an Errno.
export function subscription(v, at, now, get) {
  const s = { user: v.getBigUint64(at, true), tag: v.getUint8(at + 8), errno: 0, bytes: 0n, due: null };
  try {
    switch (s.tag) {
      case 0:
        s.due = due(now, v.getUint32(at + 16, true), v.getBigUint64(at + 24, true), v.getUint16(at + 40, true));
        break;
      case 1: case 2: {
        const d = get(v.getUint32(at + 16, true));
        if (s.tag === 1 ? !d.read : !d.write) throw errno.BADF;
        if (s.tag === 2) s.bytes = BigInt(MAX_TRANSFER);
        else if (d.kind !== FOLDER) s.bytes = left(d.node, d.pos);
        break;
      }
      default:
        throw errno.INVAL;
    }
  } catch (e) {
    if (!(e instanceof Errno)) throw e;
    s.errno = e.number;
  }
  return s;
}

function due(now, id, timeout, flags) {
  const time = now(id);
  if (id > 1) throw errno.NOTSUP;
  if (flags > 1) throw errno.INVAL;
  if (flags === 0) return timeout;
  return timeout > time ? timeout - time : 0n;
}

// poll writes the events of what is due first, and says how many they are and
// when that is.
export function poll(subs, elapsed, out) {
  const time = (s) => (s.due === null ? elapsed : least(U64_MAX, elapsed + s.due));
  const wake = subs.reduce((first, s) => least(first, time(s)), U64_MAX);
  let events = 0;
  for (const s of subs) {
    if (s.due !== null && time(s) > wake) continue;
    const at = EVENT * events++;
    for (let i = 0; i < EVENT; i += 8) out.setBigUint64(at + i, 0n);
    out.setBigUint64(at, s.user, true);
    out.setUint16(at + 8, s.errno, true);
    out.setUint8(at + 10, s.tag);
    out.setBigUint64(at + 16, s.bytes, true);
  }
  return { events, wake };
}
