/**
 * A lock, so that only one command at a time binds or unbinds a card. The lock is an abstract Unix socket with the
 * card's address in its name. The kernel closes the socket when the process that holds the lock ends.
 */
import { createServer } from "node:net";
import { BindInProgress } from "./errors.ts";

/** @throws {BindInProgress} if another process has the lock */
export const lockCard = async (address: string): Promise<Disposable> => {
  const server = createServer((socket) => socket.destroy());
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(`\0ferrule/card/${address}`, resolve);
  try {
    await promise;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") throw new BindInProgress(address);
    throw error;
  }
  return { [Symbol.dispose]: () => void server.close() };
};
