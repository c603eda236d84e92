// A stand-in for the analyzer's control socket: answers every request and remembers it.
import { createServer } from "node:net";
import { unlinkSync } from "node:fs";

export function standIn(path) {
	const asked = [];
	try { unlinkSync(path); } catch { /* it was not there */ }
	const server = createServer((socket) => {
		let text = "";
		socket.on("data", (d) => {
			text += d;
			const end = text.indexOf("\n");
			if (end < 0)
				return;
			const request = JSON.parse(text.slice(0, end));
			asked.push(request);
			socket.end(JSON.stringify(request.text === "refuse" ? { ok: false, error: "the case is closed already" } : { ok: true }) + "\n");
		});
		socket.on("error", () => {});
	});
	return new Promise((resolve) => server.listen(path, () => resolve({ asked, close: () => server.close() })));
}
