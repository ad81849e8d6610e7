// What a page of another site may try on a dashboard at base, with a token or
// without. Each try gives "" when it came to nothing, else what it got.
async function forge(base, token) {
	const authorization = { Authorization: `Bearer ${token}` };
	const tries = [];
	const ask = (path, init) => tries.push(fetch(base + path, init).then(
		async (answer) => (answer.type === "opaque" ? "" : `${init?.method ?? "GET"} ${path} is answered ${answer.status}: ${await answer.text()}`),
		() => "",
	));
	for (const path of ["/v1/status", "/v1/credit", "/v1/jobs", "/v1/peers", "/v1/earnings", "/v1/offers"]) {
		ask(path);
		ask(path, { headers: authorization });
		ask(path, { mode: "no-cors", credentials: "include" });
	}
	for (const mode of ["cors", "no-cors"]) {
		ask("/v1/jobs/abcdef/cancel", { method: "POST", mode, body: "{}" });
		ask("/v1/stop", { method: "POST", mode, body: "{}" });
		ask(`/v1/stop?token=${token}`, { method: "POST", mode, body: "{}", headers: { "Content-Type": "text/plain" } });
	}
	ask("/v1/shift", { method: "PUT", body: '{"mode":"paused"}', headers: authorization });
	ask("/v1/shift", { method: "PUT", body: '{"mode":"paused"}' });
	ask("/v1/dashboard", { method: "POST", body: "{}", headers: authorization });
	tries.push(embed("iframe", `${base}/#token=${token}`), embed("img", `${base}/icon.svg`), embed("script", `${base}/dashboard.js`));
	return Promise.all(tries);
}

// embed takes what is at url into this page. Of a frame the page cannot tell
// whether it was refused; the browser's console does.
function embed(tag, url) {
	return new Promise((done) => {
		const el = document.createElement(tag);
		el.onerror = () => done("");
		el.onload = () => done(tag === "iframe" ? "" : `a ${tag} has loaded ${url}`);
		el.src = url;
		document.body.append(el);
	});
}
