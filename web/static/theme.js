// Before the first paint: the chosen light or dark, so that nothing flashes.
(function () {
	"use strict";
	try {
		var t = localStorage.getItem("theme");
		if (t === "light" || t === "dark")
			document.documentElement.dataset.theme = t;
	} catch (e) { /* storage is switched off: the system's choice stays */ }
}());
