// What Node has of a peer: WebSockets, and a key for as long as it runs.
import { HashAddress, Sea } from "peersea";

const [url, to] = process.argv.slice(2);
const sea = new Sea({ network: "test", work: 0 });
await sea.goOnline(url);
console.log(process.version.split(".")[0], JSON.stringify(await sea.call(HashAddress.from(to), "echo", 1, "two")));
sea.goOffline();
