/**
 * A web server for boot ROMs: `node boot-server.ts ADDRESS`. At /script it serves a script that fetches a file and
 * then fetches /fetched, to report that the file has arrived. Prints the path of each request on a line.
 */
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { BLOB_BYTES } from "./boot-script.ts";

const address = process.argv[2]!;
const at = `http://${address}`;
const blob = randomBytes(BLOB_BYTES);
const script = `#!ipxe\nimgfetch ${at}/blob && imgfetch ${at}/fetched\n`;
const answers: Readonly<Record<string, Buffer | string>> = { "/script": script, "/blob": blob, "/fetched": "well\n" };

const server = createServer(({ url = "" }, response) => {
  console.log(url);
  const answer = answers[url];
  response.writeHead(answer === undefined ? 404 : 200).end(answer);
});
server.listen(80, address, () => console.log("listening"));
