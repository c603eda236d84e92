// Conveniences. Everything works without them: they refresh, move around by keys, and ask before something final happens.
(function () {
	"use strict";
	var $ = function (q, in_) { return (in_ || document).querySelector(q); };
	var all = function (q, in_) { return Array.from((in_ || document).querySelectorAll(q)); };
	var jsonLink = $("link[type='application/json']");
	var charts = window.abusewatchCharts;

	// --- light and dark
	var themeButton = $("#theme");
	function dark() {
		var t = document.documentElement.dataset.theme;
		return t ? t === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
	}
	function toggleTheme() {
		var t = dark() ? "light" : "dark";
		document.documentElement.dataset.theme = t;
		try { localStorage.setItem("theme", t); } catch (e) { /* only for this page then */ }
		charts.restyle();
	}
	themeButton.hidden = false;
	themeButton.addEventListener("click", toggleTheme);
	matchMedia("(prefers-color-scheme: dark)").addEventListener("change", charts.restyle);

	// --- help
	var help = $("#help"), keysButton = $("#keys");
	function showHelp() {
		if (help && !help.open)
			help.showModal();
	}
	if (keysButton) {
		keysButton.hidden = false;
		keysButton.addEventListener("click", showHelp);
	}

	// --- rows
	var row = null;
	function rows() { return all("[data-rows] tbody tr:not(.nothing)"); }
	function linkOf(tr) { return $(".c-id a", tr) || $("a:not(.tag)", tr); }
	function select(tr) {
		if (row)
			row.classList.remove("on");
		row = tr;
		row.classList.add("on");
		var a = linkOf(row);
		if (a)
			a.focus({ preventScroll: true });
		row.scrollIntoView({ block: "nearest" });
	}
	function step(by) {
		var list = rows(), i = row ? list.indexOf(row) : -1;
		if (!list.length)
			return;
		select(list[Math.max(0, Math.min(list.length - 1, i < 0 ? (by > 0 ? 0 : list.length - 1) : i + by))]);
	}

	// --- keys
	var places = { o: "/", c: "/cases", m: "/search", p: "/principals", l: "/listings", r: "/rbl", y: "/policy", b: "/backup-mx", e: "/exports/compromised-hosts", h: "/about" };
	var waitingForPlace = 0;
	function follow(q) {
		var a = $(q);
		if (a)
			a.click();
	}
	function focusOn(q) {
		var el = $(q);
		if (el)
			el.focus();
	}
	var actions = {
		"/": function () { focusOn("#quick"); },
		"?": showHelp,
		j: function () { step(1); },
		k: function () { step(-1); },
		g: function () { waitingForPlace = Date.now(); },
		n: function () { focusOn("#note"); },
		a: function () { focusOn("[data-key-press='a']"); },
		t: toggleTheme,
		"[": function () { follow("a[rel='prev']"); },
		"]": function () { follow("a[rel='next']"); }
	};
	function typing(el) {
		return el && (/^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName) || el.isContentEditable);
	}
	document.addEventListener("keydown", function (e) {
		if (e.ctrlKey || e.metaKey || e.altKey || !jsonLink || (help && help.open))
			return;
		if (typing(e.target)) {
			if (e.key === "Escape")
				e.target.blur();
			return;
		}
		if (Date.now() - waitingForPlace < 1500 && places[e.key]) {
			waitingForPlace = 0;
			e.preventDefault();
			location.href = places[e.key];
			return;
		}
		waitingForPlace = 0;
		if (actions[e.key]) {
			e.preventDefault();
			actions[e.key]();
		}
	});

	// --- a question before what cannot be taken back easily
	document.addEventListener("click", function (e) {
		var b = e.target.closest("[data-confirm]");
		if (b && !confirm(b.dataset.confirm))
			e.preventDefault();
	});
	// A click anywhere in a row of cases opens it, unless text is being selected.
	document.addEventListener("click", function (e) {
		var tr = e.target.closest("table.cases tbody tr, table.trace tbody tr");
		if (!tr || tr.classList.contains("nothing") || e.target.closest("a, button, input, label") || String(getSelection()))
			return;
		var a = linkOf(tr);
		if (a)
			a.click();
	});

	function toast(text, href) {
		var box = $("#toasts"), a = document.createElement("a");
		if (!box)
			return;
		a.href = href;
		a.textContent = text;
		box.append(a);
		setTimeout(function () { a.remove(); }, 12000);
	}

	// --- live: ask for the page's JSON now and then; when it changed, take the new page's regions over
	var live = $("[data-live]"), before = null, away = false, every = 4000, quiet = 0;

	function keys(in_) {
		return all("tr[data-key]", in_).map(function (tr) { return tr.dataset.key; });
	}
	// What the reader is in the middle of using (a chart that is zoomed, a half-written note) stays as it is.
	function takeOver(fresh) {
		var active = document.activeElement, href = active && active.closest("[data-region]") && active.getAttribute("href");
		var scrolled = all(".tall[id]").map(function (el) { return [el.id, el.scrollTop, el.scrollLeft]; });
		var old = keys(document), selected = row && row.dataset.key, focused = document.activeElement && document.activeElement.closest("tr[data-key]");
		all("[data-region]").forEach(function (region) {
			var next = $("[data-region='" + region.dataset.region + "']", fresh);
			if (!next)
				return;
			all("[data-keep]", next).forEach(function (el) {
				var mine = document.getElementById(el.id);
				if (mine)
					el.replaceWith(mine);
			});
			region.replaceChildren.apply(region, Array.from(next.childNodes));
		});
		row = null;
		all("tr[data-key]").forEach(function (tr) {
			if (tr.dataset.key === selected && focused)
				select(tr);
			if (old.indexOf(tr.dataset.key) < 0) {
				tr.classList.add("fresh");
				if (old.length || $("tr.nothing", fresh) === null)
					toast("New: " + tr.dataset.label, linkOf(tr).href);
			}
		});
		scrolled.forEach(function (s) {
			var el = document.getElementById(s[0]);
			if (el)
				el.scrollTo(s[2], s[1]);
		});
		if (href && !focused)
			all("a").some(function (a) {
				if (a.getAttribute("href") !== href)
					return false;
				a.focus({ preventScroll: true });
				return true;
			});
		live = $("[data-live]");
		showLive(true);
	}
	// How much is open can be read from the tab.
	var title = document.title;
	function showCount(data) {
		away = Boolean(data.analyzer_away);
		if (data.open_cases !== undefined)
			document.title = (data.open_cases ? "(" + data.open_cases + ") " : "") + title;
	}
	function showLive(ok) {
		if (!live)
			return;
		live.hidden = false;
		live.textContent = !ok ? "not reachable" : away ? "nothing new is read" : "live";
		live.classList.toggle("off", !ok || away);
	}
	function busy() {
		var el = document.activeElement;
		return String(getSelection()).length > 0 || (el && /^(SELECT)$/.test(el.tagName));
	}
	async function look() {
		var r = await fetch(jsonLink.href, { headers: { "X-Live": "1" }, credentials: "same-origin", cache: "no-store" });
		if (r.status === 401) {
			location.reload();
			return;
		}
		if (!r.ok)
			throw new Error(r.status);
		var text = await r.text(), first = before === null;
		if (text === before) {
			showLive(true);
			return;
		}
		showCount(JSON.parse(text));
		if (first)
			charts.drawAll(JSON.parse(text));
		if (!first && busy())
			return;
		before = text;
		if (first) {
			showLive(true);
			return;
		}
		var page = await fetch(location.href, { headers: { "X-Live": "1" }, credentials: "same-origin", cache: "no-store" });
		if (!page.ok)
			throw new Error(page.status);
		takeOver(new DOMParser().parseFromString(await page.text(), "text/html"));
		charts.drawAll(JSON.parse(text));
	}
	async function tick() {
		try {
			if (!document.hidden) {
				await look();
				quiet = 0;
			}
		} catch (e) {
			quiet = Math.min(quiet + 1, 6);
			showLive(false);
		}
		setTimeout(tick, every * (1 + quiet));
	}
	if (jsonLink && live)
		tick();
	else if (jsonLink && $("[data-chart]"))
		fetch(jsonLink.href, { headers: { "X-Live": "1" }, credentials: "same-origin" }).then(function (r) { return r.json(); }).then(charts.drawAll);
}());
