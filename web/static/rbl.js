// Fills the look-up page with answers as they come. What lists say was written by strangers: it only ever becomes text.
(function () {
	"use strict";
	var box = document.getElementById("rbl");
	if (!box)
		return;
	var groups = document.getElementById("rbl-groups"), say = document.getElementById("rbl-say"), bar = document.getElementById("rbl-progress");
	var target = box.dataset.target, several = /[\s,;\/]/.test(target.trim());
	var kinds = [
		["listed", "Listed", "mail from there is likely to be refused where the list is used"],
		["refused", "Refused", "these lists do not serve us: nothing is known"],
		["unknown", "Unknown", "no answer that can be believed: nothing is known"],
		["dead", "Dead", "not lists any more"],
		["noted", "Noted", "allow lists and lists for information"],
		["clean", "Clean", ""]
	];
	var made = {}, count = {}, done = 0, all = 0, complete = false;
	var asked = {}, told = {}; // targets; and those of which at least one list could say something

	function el(name, cls, text) {
		var e = document.createElement(name);
		if (cls)
			e.className = cls;
		if (text !== undefined)
			e.textContent = text;
		return e;
	}
	function group(kind) {
		if (made[kind])
			return made[kind];
		var k = kinds.find(function (x) { return x[0] === kind; });
		var section = el(kind === "clean" ? "details" : "section", "rblgroup"), head = el(kind === "clean" ? "summary" : "h2");
		var label = el("span", "badge listing " + (kind === "clean" ? "clear" : kind === "noted" ? "" : kind), k[1]);
		var number = el("b", "number"), table = el("table", "rows"), body = el("tbody");
		head.append(label, " ", number, " ", el("span", "quiet", k[2]));
		table.append(body);
		var scroll = el("div", "scroll");
		scroll.append(table);
		section.append(head, scroll);
		section.dataset.kind = kind;
		made[kind] = { section: section, number: number, body: body };
		// in their order, whatever comes first
		var after = kinds.map(function (x) { return x[0]; }).slice(0, kinds.indexOf(k)).reverse().find(function (x) { return made[x]; });
		if (after)
			made[after].section.after(section);
		else
			groups.prepend(section);
		return made[kind];
	}
	function ago(text) {
		var s = Math.max(0, Math.round((Date.now() - Date.parse(text)) / 1000));
		return s < 60 ? s + " s" : s < 5400 ? Math.round(s / 60) + " min" : s < 129600 ? Math.round(s / 3600) + " h" : Math.round(s / 86400) + " d";
	}
	function row(r, kind) {
		var tr = el("tr"), list = el("td", "rbl-list"), says = el("td", "rbl-says"), code = el("td", "mono rbl-code", r.code || ""), when = el("td", "c-time"), off = el("td", "rbl-off");
		if (several) {
			var who = el("td", "c-target mono", r.target);
			tr.append(who);
		}
		list.append(el("span", "", r.title || r.zone));
		if (r.title && r.title !== r.zone)
			list.append(el("small", "mono", r.zone));
		says.append(el("span", "", (kind === "listed" || kind === "noted" || kind === "clean" ? r.meaning : r.reason) || ""));
		if (r.text)
			says.append(el("small", "", "“" + r.text + "”"));
		if (r.since)
			when.append(el("span", "", "seen since " + r.since.slice(0, 10)));
		if (r.answered) {
			var age = el("small", "", r.cached ? "answered " + ago(r.answered) + " ago" : r.file ? "from our copy" : "answered now");
			age.title = r.answered + (r.ttl ? ", good for " + r.ttl + " s" : "");
			when.append(age);
		}
		if (r.delist && /^https?:\/\//.test(r.delist)) {
			var a = el("a", "", "way off");
			a.href = r.delist;
			a.rel = "noopener noreferrer external";
			a.target = "_blank";
			off.append(a);
		}
		tr.append(list, code, says, when, off);
		return tr;
	}
	function words() {
		var parts = kinds.filter(function (k) { return count[k[0]]; }).map(function (k) { return count[k[0]] + " " + k[0]; });
		return parts.join(", ");
	}
	function show(ended) {
		bar.max = all || Math.max(done + 1, 60);
		bar.value = ended ? bar.max : done;
		bar.hidden = ended;
		var unsure = (count.refused || 0) + (count.unknown || 0), silent = Object.keys(asked).some(function (t) { return !told[t]; });
		say.textContent = !ended ? "asking the lists… " + words()
			: count.listed ? "On " + count.listed + (count.listed === 1 ? " list" : several ? " entries" : " lists") + ". " + words()
			: !done ? "None of the lists has an opinion of such a target."
			: silent ? (several ? "Of some targets nothing is known: no list gave an answer. " : "Nothing is known: no list gave an answer. ") + words()
			: unsure ? "On no list that gave an answer; " + unsure + " could not tell. " + words()
			: "Clean: on none of the lists. " + words();
		say.className = ended && count.listed ? "verdict bad" : ended && done && !unsure && !silent ? "verdict good" : ended ? "verdict" : "quiet";
	}
	function take(o) {
		if (o.error)
			throw new Error(o.error);
		if (o.zone) {
			var kind = o.verdict === "listed" && o.kind !== "block" && o.kind !== "policy" ? "noted" : o.verdict;
			count[kind] = (count[kind] || 0) + 1;
			done++;
			asked[o.target] = true;
			if (kind === "clean" || kind === "noted" || kind === "listed")
				told[o.target] = true;
			var g = group(kind);
			g.number.textContent = count[kind];
			g.body.append(row(o, kind));
		} else if (o.all !== undefined) {
			all = o.all;
		} else if (o.end) {
			complete = true;
		}
	}
	async function run() {
		var r = await fetch("/rbl/stream?target=" + encodeURIComponent(target), { credentials: "same-origin", cache: "no-store", headers: { Accept: "application/json" } });
		if (!r.ok) {
			var page = new DOMParser().parseFromString(await r.text(), "text/html"), p = page.querySelector("main p");
			throw new Error(p ? p.textContent : "The look-up failed (" + r.status + ").");
		}
		var reader = r.body.getReader(), decoder = new TextDecoder(), rest = "";
		for (;;) {
			var piece = await reader.read();
			rest += decoder.decode(piece.value || new Uint8Array(), { stream: !piece.done });
			var lines = rest.split("\n");
			rest = lines.pop();
			lines.filter(Boolean).forEach(function (line) { take(JSON.parse(line)); });
			show(false);
			if (piece.done)
				break;
		}
		if (!complete)
			throw new Error("The answers broke off: these are not all. Ask once more.");
		show(true);
	}
	run().catch(function (e) {
		bar.hidden = true;
		say.className = "verdict bad";
		say.textContent = e.message;
	});
}());
