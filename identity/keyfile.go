package identity

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// A key file is three lines of text:
//
//	sea key 1
//	entity ENTITY    64 hex digits, to check the secret against
//	secret SEED      64 hex digits, the private key of RFC 8032
//
// Under a passphrase it is these lines as an ordinary armored age file, which
// `age --decrypt` opens too. Backups have the same two forms.
const (
	keyHeader = "sea key 1\n"

	// maxKeyFile is more than either form needs.
	maxKeyFile = 4 << 10

	// scryptWork makes trying one passphrase cost 2^18 scrypt steps: 256 MiB and
	// about half a second. maxScryptWork is what a file from elsewhere may make
	// us spend: 1 GiB and two seconds.
	scryptWork    = 18
	maxScryptWork = 20
)

// Errors of OpenKey and Restore.
var (
	// ErrKeyMode is returned when others than its owner may use a key file.
	ErrKeyMode = errors.New("key file is open to others")

	// ErrKeyFile is returned, wrapped with the reason, when a key file is not
	// in its form, damaged, or of a version that is not known here.
	ErrKeyFile = errors.New("bad key file")

	// ErrPassphrase is returned when a key file needs a passphrase and there is
	// none or it is the wrong one.
	ErrPassphrase = errors.New("wrong passphrase")
)

// OpenKey reads the key file at path. On Unix it returns ErrKeyMode when anyone
// but the owner may read or write the file, before reading it; on Windows
// access lists are not looked at. passphrase is called at most once, when the
// file needs one; it may be nil. The other errors are Restore's.
func OpenKey(path string, passphrase func() (string, error)) (*Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("open key %s: %w: not a regular file", path, ErrKeyFile)
	}
	if err := checkMode(info.Mode()); err != nil {
		return nil, fmt.Errorf("open key %s: %w", path, err)
	}
	k, err := Restore(f, passphrase)
	if err != nil {
		return nil, fmt.Errorf("open key %s: %w", path, err)
	}
	return k, nil
}

// Restore reads a key file or what Backup wrote, to its end. passphrase is as in
// OpenKey. Errors are ErrKeyFile, ErrPassphrase, passphrase's and r's.
func Restore(r io.Reader, passphrase func() (string, error)) (*Key, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxKeyFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxKeyFile {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrKeyFile, maxKeyFile)
	}
	if !strings.HasPrefix(string(b), armor.Header) {
		return parseKey(string(b))
	}
	if passphrase == nil {
		return nil, fmt.Errorf("%w: the key file needs one", ErrPassphrase)
	}
	words, err := passphrase()
	if err != nil {
		return nil, err
	}
	text, err := unseal(b, words, maxScryptWork)
	if err != nil {
		return nil, err
	}
	return parseKey(text)
}

// Save writes k to a new file at path, for its owner alone, under the passphrase
// if that is not empty. The file appears whole or not at all, and is on the disk
// when Save returns; one that is there already is never replaced, which is
// fs.ErrExist. It needs a file system with hard links. A crash may leave a file
// named .key-* beside it, which may be removed.
func (k *Key) Save(path, passphrase string) error {
	if err := k.save(path, passphrase); err != nil {
		return fmt.Errorf("save key: %w", err)
	}
	return nil
}

func (k *Key) save(path, passphrase string) error {
	if _, err := os.Lstat(path); err == nil { // say it before scrypt; Link decides
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".key-*") // its mode is 0600
	if err != nil {
		return err
	}
	if err = k.Backup(f, passphrase); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Link(f.Name(), path) // unlike a rename, it replaces nothing
	}
	if err = errors.Join(err, os.Remove(f.Name())); err != nil {
		return err
	}
	return syncDir(dir)
}

// Backup writes k as Save does, to w, which stays open. Without a passphrase the
// secret is there for all to read.
func (k *Key) Backup(w io.Writer, passphrase string) error {
	text := k.format()
	if passphrase != "" {
		var err error
		if text, err = seal(text, passphrase, scryptWork); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, text)
	return err
}

// format and parseKey are the plain form.
func (k *Key) format() string {
	return keyHeader + "entity " + k.entity.String() + "\nsecret " + hex.EncodeToString(k.secret().Seed()) + "\n"
}

func parseKey(text string) (*Key, error) {
	bad := func(why string) (*Key, error) { return nil, fmt.Errorf("%w: %s", ErrKeyFile, why) }
	lines := strings.SplitAfter(text, "\n")
	if lines[0] != keyHeader {
		if strings.HasPrefix(lines[0], "sea key ") {
			return bad("its version is not known here, this program reads version 1")
		}
		return bad("it does not begin with the line \"sea key 1\"")
	}
	if len(lines) != 4 || lines[3] != "" {
		return bad("it is not three whole lines")
	}
	value := func(line, name string) (string, bool) {
		v, ok := strings.CutPrefix(line, name+" ")
		v, end := strings.CutSuffix(v, "\n")
		return v, ok && end
	}
	public, ok := value(lines[1], "entity")
	if !ok {
		return bad("its second line is not \"entity\" and 64 hex digits")
	}
	entity, err := ParseEntity(public)
	if err != nil {
		return nil, fmt.Errorf("%w: entity: %w", ErrKeyFile, err)
	}
	private, ok := value(lines[2], "secret")
	if !ok {
		return bad("its third line is not \"secret\" and 64 hex digits")
	}
	var seed [32]byte
	if err := parseHex(seed[:], private); err != nil {
		return nil, fmt.Errorf("%w: secret: %w", ErrKeyFile, err)
	}
	k := keyFromSeed(seed)
	if k.entity != entity {
		return bad("its secret is not that of its entity")
	}
	return k, nil
}

// seal and unseal put text under a passphrase, by age.
func seal(text, passphrase string, work int) (string, error) {
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return "", err
	}
	to.SetWorkFactor(work)
	var out bytes.Buffer
	lines := armor.NewWriter(&out)
	w, err := age.Encrypt(lines, to)
	if err != nil {
		return "", err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return "", err
	}
	if err := errors.Join(w.Close(), lines.Close()); err != nil {
		return "", err
	}
	return out.String(), nil
}

func unseal(b []byte, passphrase string, most int) (string, error) {
	if passphrase == "" {
		return "", fmt.Errorf("%w: it is empty", ErrPassphrase)
	}
	by, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return "", err
	}
	by.SetMaxWorkFactor(most)
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(b)), by)
	if none := new(age.NoIdentityMatchError); errors.As(err, &none) {
		return "", ErrPassphrase
	} else if err != nil {
		return "", fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	return string(text), nil
}
