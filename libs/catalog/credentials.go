package catalog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/salesforce"
	"bulkhead/libs/service"
)

// maxSecret bounds the file of a secret or of a private key, which has a few KiB.
const maxSecret = 64 << 10

// othersMay are the permissions that make a private key everybody's: anything for all users of the machine, or writing for the group. Reading
// by the group stays allowed, because that is how orchestrators hand a mounted secret to a process that is not root.
const othersMay fs.FileMode = 0o027

// ConfigOf turns an org's document into what the client wants.
func ConfigOf(o *pipeline.Org) salesforce.Config {
	config := salesforce.Config{
		LoginURL:              o.LoginURL,
		APIVersion:            o.APIVersion,
		ClientID:              o.ClientID,
		PinnedOrgID:           o.OrgID,
		AllowInsecureLoopback: o.AllowInsecureLoopback,
		UserAgent:             "bulkhead/" + service.Version(),
	}
	if o.Auth == pipeline.AuthJWT {
		config.PrivateKey, config.Username = keyOf(o), o.Username
	} else {
		config.ClientSecret = secretOf(o)
	}
	return config
}

// secretOf reads the secret anew each time, so that a rotated one is picked up; its text never stands in an error.
func secretOf(o *pipeline.Org) func() (string, error) {
	return func() (string, error) {
		var secret string
		switch {
		case o.ClientSecretEnv != "":
			secret = os.Getenv(o.ClientSecretEnv)
			if secret == "" {
				return "", fmt.Errorf("org %s: the environment variable %s, named as clientSecretEnv, is not set", o.Name, o.ClientSecretEnv)
			}
		case o.ClientSecretFile != "":
			text, _, err := readSecret(o.ClientSecretFile)
			if err != nil {
				return "", fmt.Errorf("org %s: clientSecretFile: %w", o.Name, err)
			}
			secret = strings.TrimSpace(string(text))
		}
		if secret == "" {
			return "", fmt.Errorf("org %s names no client secret: set clientSecretFile or clientSecretEnv", o.Name)
		}
		return secret, nil
	}
}

// keyOf reads the private key anew each time. A key stands for the user for as long as its certificate is good, unlike a secret that the app's page
// can replace at once, so a file that others of the machine may read or change is refused.
func keyOf(o *pipeline.Org) func() ([]byte, error) {
	return func() ([]byte, error) {
		text, mode, err := readSecret(o.PrivateKeyFile)
		if err == nil && mode.Perm()&othersMay != 0 {
			err = fmt.Errorf("%s has mode %04o, so that others may read or change it: chmod 0400, or 0440 for a group of its own (defaultMode of a mounted secret)", o.PrivateKeyFile, mode.Perm())
		}
		if err == nil && len(text) == 0 {
			err = fmt.Errorf("%s is empty", o.PrivateKeyFile)
		}
		if err != nil {
			return nil, fmt.Errorf("org %s: privateKeyFile: %w", o.Name, err)
		}
		return text, nil
	}
}

// readSecret reads a file of at most [maxSecret] bytes, and says which permissions it has. What is no plain file is not read: a pipe would
// keep a login waiting for ever.
func readSecret(path string) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is no plain file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, 0, err
	}
	if len(text) > maxSecret {
		return nil, 0, fmt.Errorf("%s is larger than %d bytes", path, maxSecret)
	}
	return text, info.Mode(), nil
}
