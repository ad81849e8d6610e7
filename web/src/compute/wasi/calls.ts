// The calls of a World as functions that an engine can import.

import { Errno } from "./errno.ts";
import { file } from "./file.ts";
import { Memory } from "./memory.ts";
import { path } from "./path.ts";
import { text } from "./text.ts";
import { time } from "./time.ts";
import { type World } from "./world.ts";

/** module is the name that guests import them from. */
export const module = "wasi_snapshot_preview1";

const all = { ...text, ...time, ...file, ...path };

/** params are the calls' parameters, i for i32 and l for i64. */
export const params: { readonly [Name in keyof typeof all]: string } = {
	args_get: "ii", args_sizes_get: "ii", clock_res_get: "ii", clock_time_get: "ili",
	environ_get: "ii", environ_sizes_get: "ii", fd_advise: "illi", fd_allocate: "ill",
	fd_close: "i", fd_datasync: "i", fd_fdstat_get: "ii", fd_fdstat_set_flags: "ii",
	fd_fdstat_set_rights: "ill", fd_filestat_get: "ii", fd_filestat_set_size: "il",
	fd_filestat_set_times: "illi", fd_pread: "iiili", fd_prestat_dir_name: "iii",
	fd_prestat_get: "ii", fd_pwrite: "iiili", fd_read: "iiii", fd_readdir: "iiili",
	fd_renumber: "ii", fd_seek: "ilii", fd_sync: "i", fd_tell: "ii", fd_write: "iiii",
	path_create_directory: "iii", path_filestat_get: "iiiii", path_filestat_set_times: "iiiilli",
	path_link: "iiiiiii", path_open: "iiiiillii", path_readlink: "iiiiii",
	path_remove_directory: "iii", path_rename: "iiiiii", path_symlink: "iiiii",
	path_unlink_file: "iii", poll_oneoff: "iiii", proc_exit: "i", proc_raise: "i",
	random_get: "ii", sched_yield: "", sock_accept: "iii", sock_recv: "iiiiii",
	sock_send: "iiiii", sock_shutdown: "ii",
};

/** Call is one of them, as the guest calls it. It gives an errno. */
export type Call = (...args: (number | bigint)[]) => number;

/**
 * calls gives the functions. memory gives the guest's buffer as it is at that
 * moment. Words reach the world as they are meant: i32 as unsigned numbers, i64
 * as unsigned bigints. What is thrown but an Errno ends the guest.
 */
export function calls(world: World, memory: () => ArrayBuffer): { [name: string]: Call } {
	const functions: { [name: string]: Call } = {};
	for (const [name, letters] of Object.entries(params)) {
		const call = all[name as keyof typeof all] as (w: World, m: Memory, ...args: (number | bigint)[]) => void;
		functions[name] = (...args) => {
			world.begin();
			for (let i = 0; i < letters.length; i++) {
				args[i] = letters[i] === "l" ? BigInt.asUintN(64, args[i] as bigint) : (args[i] as number) >>> 0;
			}
			try {
				call(world, new Memory(memory()), ...args);
				return 0;
			} catch (err) {
				if (err instanceof Errno) return err.number;
				throw err;
			}
		};
	}
	return functions;
}
