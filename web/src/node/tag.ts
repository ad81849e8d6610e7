// Tags: what a frame begins with. They are constants one by one, so that the bundler
// writes their numbers where they are used.

export const welcome = 0;
export const ping = 1;
export const pong = 2;
export const close = 3;
export const credit = 4;
export const part = 5;
export const open = 6;
export const message = 7;
export const request = 8;
export const reply = 9;
export const cancel = 10;
export const routed = 11;
export const ack = 12;
export const nak = 13;
export const answer = 14;
export const need = 15;
export const elsewhere = 16;
export const relay = 24;
export const relayCredit = 25;
export const relayEnd = 26;
export const publish = 32;
export const have = 33;
export const graft = 34;
export const prune = 35;
export const neighbour = 36;
export const partner = 37;
export const leave = 38;
export const walk = 39;
export const shuffle = 40;
export const shuffled = 41;
export const past = 42;
