// The calls of a World as functions that an engine can import.
import { Errno } from "./errno.mjs";
import { Memory } from "./memory.mjs";

// MODULE is the name that guests import them from.
export const MODULE = "wasi_snapshot_preview1";

// CALLS are the calls and their parameters, i for i32 and l for i64.
export const CALLS = {
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

// calls gives the functions. memory gives the guest's buffer as it is at that
// moment. A method of the World gets words as they are meant: i32 as unsigned
// numbers, i64 as unsigned BigInts. What it throws but an Errno ends the guest.
export function calls(world, memory) {
  const functions = {};
  for (const [name, params] of Object.entries(CALLS)) {
    functions[name] = (...args) => {
      world.begin();
      for (let i = 0; i < params.length; i++) {
        args[i] = params[i] === "l" ? BigInt.asUintN(64, args[i]) : args[i] >>> 0;
      }
      try {
        world[name](new Memory(memory()), ...args);
        return 0;
      } catch (e) {
        if (e instanceof Errno) return e.number;
        throw e;
      }
    };
  }
  return functions;
}
