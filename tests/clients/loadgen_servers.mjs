// Servers on the Node package `ws` for loadgen to run against, all on one free port; the path says which. Called by
// run.sh with CLIENTS_NPM, the folder that the package is in. Prints the address.
//
//   /echo         each message back to its sender
//   /all/NAME     each message to everyone on this path, the sender included
//   /others/NAME  the same without the sender
//   /json         each message back in an object, as some servers wrap them
import { createRequire } from "node:module";

const { WebSocketServer } = createRequire(process.env.CLIENTS_NPM + "/")("ws");
const channels = new Map(); // path to sockets

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
server.on("listening", () => console.log(`listening on 127.0.0.1:${server.address().port}`));
server.on("connection", (socket, { url }) => {
  const kind = url.split("/")[1];
  if (!channels.has(url)) channels.set(url, new Set());
  const everyone = channels.get(url).add(socket);
  socket.on("close", () => everyone.delete(socket));
  socket.on("error", () => {}); // a connection may be reset
  socket.on("message", (data, binary) => {
    if (kind === "echo") socket.send(data, { binary });
    if (kind === "json") socket.send(JSON.stringify({ from: "somebody", text: data.toString() }));
    if (kind !== "all" && kind !== "others") return;
    for (const other of everyone) if (kind === "all" || other !== socket) other.send(data, { binary });
  });
});
