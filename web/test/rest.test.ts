import assert from "node:assert/strict";
import { test } from "node:test";
import { type Machine, Rest, type Why } from "../src/market/rest.ts";

class Page extends EventTarget {
	visibilityState = "visible";
	show(state: string): void {
		this.visibilityState = state;
		this.dispatchEvent(new Event("visibilitychange"));
	}
}

class Battery extends EventTarget {
	charging = true;
	plug(charging: boolean): void {
		this.charging = charging;
		this.dispatchEvent(new Event("chargingchange"));
	}
}

test("a seller rests while its tab is hidden, and on battery", async () => {
	const page = new Page();
	const battery = new Battery();
	const said: Why[] = [];
	const machine: Machine = { document: page, navigator: { getBattery: () => Promise.resolve(battery) } };
	const rest = new Rest({ hidden: true, battery: true }, (why) => said.push(why), machine);
	assert.equal(rest.why, "battery"); // not known yet
	await Promise.resolve();
	assert.equal(rest.why, "");
	page.show("hidden");
	battery.plug(false);
	page.show("visible");
	battery.plug(true);
	assert.deepEqual(said, ["battery", "", "hidden", "battery", ""]);
	rest.rules = { hidden: false, battery: false };
	page.show("hidden");
	battery.plug(false);
	assert.equal(rest.why, "");
	rest.rules = { hidden: true, battery: false };
	assert.equal(rest.why, "hidden");
	rest.close();
	page.show("visible");
	assert.equal(rest.why, "hidden");
	assert.equal(said.length, 6);
});

test("a browser that does not tell of its battery", async () => {
	const refusing = { getBattery: () => Promise.reject(new Error("not allowed")) };
	for (const navigator of [{}, refusing]) {
		const rest = new Rest({ hidden: true, battery: true }, () => {}, { document: new Page(), navigator });
		await Promise.resolve();
		assert.equal(rest.why, "battery");
		rest.rules = { hidden: true, battery: false };
		assert.equal(rest.why, "");
		rest.close();
	}
});
