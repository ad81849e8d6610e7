/**
 * Errno is what a call of the world answers when it does not do what it was
 * asked. Calls throw it; the number goes to the guest.
 */
export class Errno {
	constructor(readonly number: number) {}
}

// The numbers of WASI preview 1 that this world answers with.
export const BADF = new Errno(8);
export const BUSY = new Errno(10);
export const EXIST = new Errno(20);
export const FAULT = new Errno(21);
export const ILSEQ = new Errno(25);
export const INVAL = new Errno(28);
export const ISDIR = new Errno(31);
export const MFILE = new Errno(33);
export const NAMETOOLONG = new Errno(37);
export const NOENT = new Errno(44);
export const NOMEM = new Errno(48);
export const NOSPC = new Errno(51);
export const NOTDIR = new Errno(54);
export const NOTEMPTY = new Errno(55);
export const NOTSOCK = new Errno(57);
export const NOTSUP = new Errno(58);
export const ROFS = new Errno(69);
export const SPIPE = new Errno(70);
export const NOTCAPABLE = new Errno(76);
