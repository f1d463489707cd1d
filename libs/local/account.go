package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the operating system's user that PostgreSQL runs as: ourselves, or another one when we are root, because
// PostgreSQL refuses to run as root.
type account struct {
	name     string
	uid, gid uint32
	switched bool // not ourselves
}

// serverAccount chooses it. A data directory that exists decides; else postgres, else nobody.
func serverAccount(dataDir string) (account, error) {
	if os.Geteuid() != 0 {
		self, err := user.Current()
		if err != nil {
			return account{}, fmt.Errorf("our own user has no entry in the user database, and PostgreSQL needs one: %w", err)
		}
		return account{name: self.Username, uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}, nil
	}
	if info, err := os.Stat(dataDir); err == nil {
		owner := info.Sys().(*syscall.Stat_t)
		if owner.Uid != 0 {
			u, err := user.LookupId(strconv.FormatUint(uint64(owner.Uid), 10))
			if err != nil {
				return account{}, fmt.Errorf("%s belongs to user %d, who is not in the user database: chown it to postgres", dataDir, owner.Uid)
			}
			return accountOf(u)
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			return accountOf(u)
		}
	}
	return account{}, errors.New("we are root, PostgreSQL refuses to run as root, and there is no user postgres or nobody: run as another user, or add one (useradd --system postgres)")
}

func accountOf(u *user.User) (account, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("user %s: id %q: %w", u.Username, u.Uid, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("user %s: group %q: %w", u.Username, u.Gid, err)
	}
	return account{name: u.Username, uid: uint32(uid), gid: uint32(gid), switched: true}, nil
}

// own gives a path to the account.
func (a account) own(path string) error {
	if !a.switched {
		return nil
	}
	if err := os.Chown(path, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("give %s to user %s: %w", path, a.name, err)
	}
	return nil
}

// reaches says whether the account may walk down to dir, and names the first directory that it may not enter.
func (a account) reaches(dir string) error {
	if !a.switched {
		return nil
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("path %s: %w", dir, err)
	}
	abs, err = filepath.EvalSymlinks(abs)
	if err != nil {
		return fmt.Errorf("path %s: %w", dir, err)
	}
	var above []string
	for p := abs; ; p = filepath.Dir(p) {
		above = append(above, p)
		if p == filepath.Dir(p) {
			break
		}
	}
	for i := len(above) - 1; i >= 0; i-- {
		info, err := os.Stat(above[i])
		if err != nil {
			return fmt.Errorf("path %s: %w", dir, err)
		}
		if !a.enters(info) {
			return fmt.Errorf("PostgreSQL runs as user %s, who may not enter %s: run `chmod o+x %s`, or choose a --data elsewhere (under /var/lib, say)", a.name, above[i], above[i])
		}
	}
	return nil
}

func (a account) enters(info fs.FileInfo) bool {
	owner, mode := info.Sys().(*syscall.Stat_t), info.Mode().Perm()
	switch {
	case owner.Uid == a.uid:
		return mode&0o100 != 0
	case owner.Gid == a.gid:
		return mode&0o010 != 0
	}
	return mode&0o001 != 0
}
