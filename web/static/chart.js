// Charts: each .chart element draws the JSON of its own page. dygraphs does the drawing.
(function () {
	"use strict";
	var charts = [];

	function css(name) {
		return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
	}
	// dygraphs' own legend measures itself with an inline style, which the page's policy forbids: this one has classes.
	Dygraph.PLUGINS = Dygraph.PLUGINS.filter(function (p) { return p !== Dygraph.Plugins.Legend; });

	function legend(box, labels, x, points) {
		var values = {};
		points.forEach(function (p) { values[p.name] = p.yval; });
		box.replaceChildren.apply(box, labels.slice(1).map(function (name, i) {
			var key = document.createElement("span");
			key.className = "key k" + i;
			key.textContent = name;
			if (values[name] !== undefined && values[name] !== null) {
				var v = document.createElement("em");
				v.textContent = " " + Math.round(values[name] * 10) / 10;
				key.append(v);
			}
			return key;
		}));
		if (x !== null) {
			var when = document.createElement("b");
			when.textContent = new Date(x).toISOString().slice(0, 16).replace("T", " ");
			box.prepend(when);
		}
	}

	function palette() {
		return [0, 1, 2, 3, 4, 5].map(function (i) { return css("--k" + i); });
	}

	// The pages show times in the log's own zone, whatever zone the reader sits in; so do the charts.
	function wall(rfc3339) {
		return new Date(rfc3339.slice(0, 19) + "Z");
	}

	// Buckets without mail are zero, not a straight line to the next one.
	function fill(rows, stepMs, width) {
		var out = [];
		rows.forEach(function (r) {
			var last = out.length ? out[out.length - 1][0].getTime() : null;
			if (last !== null && r[0].getTime() - last > stepMs * 1.5) {
				out.push([new Date(last + stepMs)].concat(new Array(width).fill(0)));
				if (r[0].getTime() - stepMs > last + stepMs)
					out.push([new Date(r[0].getTime() - stepMs)].concat(new Array(width).fill(0)));
			}
			out.push(r);
		});
		return out;
	}

	var kinds = {
		volume: function (data) {
			var rows = data.volume.map(function (v) {
				return [wall(v.bucket_at), v.sent, v.deferred, v.bounced, v.rejected];
			});
			return { rows: fill(rows, data.step_s * 1000, 4), labels: ["time", "delivered", "deferred", "bounced", "rejected"], fill: true };
		},
		hours: function (data) {
			var rows = data.hours.map(function (v) {
				return [wall(v.hour_at), v.recipients, v.messages, v.bounced, v.refused];
			});
			return { rows: fill(rows, 3600000, 4), labels: ["time", "recipients", "messages", "bounced", "refused"], fill: true };
		},
		expiry: function (data) {
			var rows = data.expiry.map(function (v) {
				return [wall(v.expires_at), v.until_then];
			});
			if (rows.length) // the line begins where nothing is lost yet
				rows.unshift([new Date(rows[0][0].getTime() - 3600000), 0]);
			return { rows: rows, labels: ["time", "messages given up by then"], fill: true };
		},
		scores: function (data) {
			var names = [], at = {};
			data.scores.forEach(function (s) {
				if (names.indexOf(s.detector) < 0)
					names.push(s.detector);
			});
			data.scores.forEach(function (s) {
				var t = wall(s.bucket_at).getTime();
				at[t] = at[t] || new Array(names.length).fill(null);
				at[t][names.indexOf(s.detector)] = s.score;
			});
			var rows = Object.keys(at).map(Number).sort(function (a, b) { return a - b; }).map(function (t) {
				return [new Date(t)].concat(at[t]);
			});
			return { rows: rows, labels: ["time"].concat(names), points: true };
		}
	};

	function underlay(el) {
		var threshold = parseFloat(el.dataset.threshold || "");
		return function (ctx, area, g) {
			if (isNaN(threshold))
				return;
			var y = g.toDomYCoord(threshold);
			ctx.save();
			ctx.strokeStyle = css("--quiet");
			ctx.setLineDash([4, 4]);
			ctx.beginPath();
			ctx.moveTo(area.x, y);
			ctx.lineTo(area.x + area.w, y);
			ctx.stroke();
			ctx.fillStyle = css("--quiet");
			ctx.font = "11px system-ui, sans-serif";
			ctx.fillText("a case opens here", area.x + 6, y - 4);
			ctx.restore();
		};
	}

	function looks() {
		return { colors: palette(), gridLineColor: css("--line"), axisLineColor: css("--line") };
	}

	function draw(el, data) {
		var d = kinds[el.dataset.chart](data);
		if (!d.rows.length)
			return;
		if (el.graph) {
			el.graph.updateOptions({ file: d.rows, labels: d.labels });
			legend(el.firstChild, d.labels, null, []);
			return;
		}
		var labels = document.createElement("div");
		labels.className = "legend";
		var canvas = document.createElement("div");
		canvas.className = "canvas";
		el.replaceChildren(labels, canvas);
		var top = 0;
		d.rows.forEach(function (r) { r.slice(1).forEach(function (v) { top = Math.max(top, v || 0); }); });
		top = Math.max(top, parseFloat(el.dataset.threshold || "0"));
		el.graph = new Dygraph(canvas, d.rows, Object.assign({
			labels: d.labels,
			highlightCallback: function (e, x, points) { legend(labels, el.graph.getLabels(), x, points); },
			unhighlightCallback: function () { legend(labels, el.graph.getLabels(), null, []); },
			fillGraph: !!d.fill, fillAlpha: 0.12, strokeWidth: 1.4, drawPoints: !!d.points, pointSize: 2.2,
			connectSeparatedPoints: !!d.points, includeZero: true, valueRange: d.points ? [0, top * 1.12] : null,
			axisLabelFontSize: 11, axes: { y: { axisLabelWidth: 44, pixelsPerLabel: 28 }, x: { pixelsPerLabel: 80 } },
			highlightCircleSize: 3, labelsKMB: true, animatedZooms: false, labelsUTC: true, xRangePad: 4,
			underlayCallback: underlay(el)
		}, looks()));
		legend(labels, d.labels, null, []);
		charts.push(el.graph);
	}

	function drawAll(data) {
		document.querySelectorAll("[data-chart]").forEach(function (el) { draw(el, data); });
	}
	function restyle() {
		charts.forEach(function (g) { g.updateOptions(looks()); });
	}

	window.abusewatchCharts = { drawAll: drawAll, restyle: restyle };
}());
