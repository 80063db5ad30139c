// A real server for the tests: the binary that `cargo test` built, on free ports, on the SQL that a test asks for.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const binary = process.env.E2E_BINARY ?? resolve(import.meta.dirname, "../../target/debug/trueup");
/** The shipped dataflows take half a minute to build in an unoptimised program, more on a busy machine. */
export const start_ms_max = 180_000;

/** A port that was free a moment ago: a server that is stopped and started again must come back to the same. */
async function free_port(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

export class Server {
  private child: ChildProcess | undefined;

  private constructor(
    private readonly path: string,
    private readonly folder: string,
    private readonly port: number,
  ) {}

  /** Starts on the shipped dataflows, their simulators slowed down for an unoptimised program, or on SQL given as text. */
  static async start(sql: { shipped: true } | { text: string }): Promise<Server> {
    const folder = mkdtempSync(join(tmpdir(), "trueup-e2e-"));
    let path = join(folder, "test.sql");
    if ("text" in sql) writeFileSync(path, sql.text);
    else {
      path = folder;
      const shipped = resolve(import.meta.dirname, "../../dataflows");
      for (const name of readdirSync(shipped, { recursive: true, encoding: "utf8" })) {
        if (!name.endsWith(".sql") || name.endsWith(".test.sql")) continue;
        const text = readFileSync(join(shipped, name), "utf8").replaceAll(/rate = '\d+'/g, "rate = '8'");
        writeFileSync(join(folder, name.replaceAll("/", "-")), text);
      }
    }
    const server = new Server(path, folder, await free_port());
    await server.up();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts the process; returns when it answers. */
  async up(): Promise<void> {
    const child = spawn(binary, ["run", this.path, "--pg", "127.0.0.1:0", "--http", `127.0.0.1:${this.port}`, "--http-write"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child = child;
    let said = "";
    child.stderr.on("data", (piece: Buffer) => (said = (said + piece.toString()).slice(-4000)));
    const ready = (async () => {
      for await (const line of createInterface(child.stdout)) if (line.startsWith("ready ")) return;
      throw new Error(`the server ended before it was ready:\n${said}`);
    })();
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error(`the server was not ready in time:\n${said}`)), start_ms_max).unref();
    });
    await Promise.race([ready, late]);
  }

  /** Ends the process as a crash would. */
  async kill(): Promise<void> {
    const child = this.child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  /** The process stands still without closing a line, as a stuck machine would. */
  freeze(): void {
    this.child?.kill("SIGSTOP");
  }

  thaw(): void {
    this.child?.kill("SIGCONT");
  }

  /** Runs a statement over HTTP. */
  async sql(sql: string): Promise<void> {
    const response = await fetch(`${this.url}/api/sql`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ sql }),
    });
    if (!response.ok) throw new Error(`${sql}: ${await response.text()}`);
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
