// Elements made by calls, and a page brought up to date without losing what the
// reader does in it: focus, selection and scrolling stay where they are.

export type Child = Node | string | number | null | undefined | false | Child[];
type Value = string | number | boolean | null | undefined | ((e: Event) => unknown);
type Props = Record<string, Value>;

/** handlers names the on… properties of each element that has some. */
const handlers = new WeakMap<Element, string[]>();

/** h makes an HTML element. A property on… is a handler; `true` is an attribute without a value. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props?: Props | null, ...children: Child[]): HTMLElementTagNameMap[K] {
	return fill(document.createElement(tag), props, children);
}

/** s makes an SVG element. */
export function s<K extends keyof SVGElementTagNameMap>(tag: K, props?: Props | null, ...children: Child[]): SVGElementTagNameMap[K] {
	return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);
}

function fill<E extends Element>(el: E, props: Props | null | undefined, children: Child[]): E {
	for (const [name, value] of Object.entries(props ?? {})) {
		if (typeof value === "function") {
			(el as unknown as Props)[name] = value;
			handlers.set(el, [...(handlers.get(el) ?? []), name]);
		} else if (value !== false && value !== null && value !== undefined) {
			el.setAttribute(name, value === true ? "" : String(value));
		}
	}
	append(el, children);
	return el;
}

function append(el: Element, children: Child[]): void {
	for (const child of children) {
		if (Array.isArray(child)) append(el, child);
		else if (child instanceof Node) el.append(child);
		else if (child !== null && child !== undefined && child !== false) el.append(String(child));
	}
}

/** show makes el's children those that are given, and keeps what is the same. */
export function show(el: Element, ...children: Child[]): void {
	const fresh = el.cloneNode(false) as Element;
	append(fresh, children);
	patchChildren(el, fresh);
}

/** patch makes old like fresh, in place where they are of one kind, and returns what stands there now. */
function patch(old: ChildNode, fresh: ChildNode): ChildNode {
	if (old instanceof Element && fresh instanceof Element && old.nodeName === fresh.nodeName && key(old) === key(fresh)) {
		patchAttributes(old, fresh);
		patchChildren(old, fresh);
		return old;
	}
	if (old instanceof Text && fresh instanceof Text) {
		if (old.data !== fresh.data) old.data = fresh.data;
		return old;
	}
	old.replaceWith(fresh);
	return fresh;
}

function patchAttributes(old: Element, fresh: Element): void {
	for (const { name } of [...old.attributes]) {
		if (!fresh.hasAttribute(name) && !(name === "open" && old instanceof HTMLDetailsElement)) old.removeAttribute(name);
	}
	for (const { name, value } of [...fresh.attributes]) {
		if (old.getAttribute(name) !== value) old.setAttribute(name, value);
	}
	for (const name of handlers.get(old) ?? []) (old as unknown as Props)[name] = null;
	const now = handlers.get(fresh) ?? [];
	for (const name of now) (old as unknown as Props)[name] = (fresh as unknown as Props)[name];
	handlers.set(old, now);
}

/** patchChildren pairs children by their key where they have one, else by their place. */
function patchChildren(old: Element, fresh: Element): void {
	const keyed = new Map<string, ChildNode>();
	for (const child of old.childNodes) {
		const k = key(child);
		if (k !== null) keyed.set(k, child);
	}
	let at = old.firstChild;
	for (const child of [...fresh.childNodes]) {
		const k = key(child);
		let mate = k === null ? at : keyed.get(k) ?? null;
		if (mate !== null && k === null && key(mate) !== null) mate = null; // it is another's
		if (mate === null) {
			old.insertBefore(child, at);
			continue;
		}
		if (mate !== at) old.insertBefore(mate, at);
		at = patch(mate, child).nextSibling;
	}
	while (at !== null) {
		const next: ChildNode | null = at.nextSibling;
		at.remove();
		at = next;
	}
}

function key(node: Node): string | null {
	return node instanceof Element ? node.getAttribute("data-key") : null;
}
