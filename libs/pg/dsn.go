package pg

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// connectTimeout bounds one try to connect where the DSN names no connect_timeout.
const connectTimeout = 5 * time.Second

// ErrDSN says that a DSN cannot be read. Its text never holds the password.
var ErrDSN = errors.New("PostgreSQL address cannot be read")

// parseConnConfig reads a DSN for one connection; app becomes its application_name where the DSN names none.
func parseConnConfig(dsn, app string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(dsn)
	if err == nil {
		err = saysNothingOfDurability(config)
	}
	if err != nil {
		return nil, dsnError(err)
	}
	dress(config, app)
	return config, nil
}

// parsePoolConfig reads a DSN for a pool.
func parsePoolConfig(dsn, app string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err == nil {
		err = saysNothingOfDurability(config.ConnConfig)
	}
	if err != nil {
		return nil, dsnError(err)
	}
	dress(config.ConnConfig, app)
	return config, nil
}

// saysNothingOfDurability keeps the word that excuses losses at the server whose settings it excuses: an address cannot carry it.
func saysNothingOfDurability(config *pgx.ConnConfig) error {
	_, named := config.RuntimeParams[durabilitySetting]
	if named || strings.Contains(config.RuntimeParams["options"], durabilitySetting) {
		return fmt.Errorf("%s is set at the server (ALTER DATABASE … SET), never by the address", durabilitySetting)
	}
	return nil
}

func dsnError(err error) error {
	return fmt.Errorf("%w: %w; write it as postgres://user:password@host:5432/database", ErrDSN, err)
}

func dress(config *pgx.ConnConfig, app string) {
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	if _, named := config.RuntimeParams["application_name"]; !named && app != "" {
		config.RuntimeParams["application_name"] = app
	}
}

// DSNAs is the same address with another user and password. It keeps every other setting.
func DSNAs(dsn, user, password string) (string, error) {
	if _, err := parseConnConfig(dsn, ""); err != nil {
		return "", err
	}
	if !isURL(dsn) {
		// Of two settings of one name the later one holds.
		return fmt.Sprintf("%s user=%s password=%s", dsn, quoteSetting(user), quoteSetting(password)), nil
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", fmt.Errorf("%w: it is not a URL", ErrDSN)
	}
	u.User = url.UserPassword(user, password)
	query := u.Query()
	query.Del("user")
	query.Del("password")
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// DSNAsRole is the same address whose sessions act as the role from their start (SET ROLE). It serves where a role's
// password must not be touched; the user of the DSN must be a member of the role, or a superuser.
func DSNAsRole(dsn, role string) (string, error) {
	return withSetting(dsn, "role", role)
}

// DSNWithDatabase is the same address with another database.
func DSNWithDatabase(dsn, database string) (string, error) {
	if !isURL(dsn) {
		return withSetting(dsn, "dbname", database)
	}
	if _, err := parseConnConfig(dsn, ""); err != nil {
		return "", err
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", fmt.Errorf("%w: it is not a URL", ErrDSN)
	}
	query := u.Query()
	query.Del("dbname")
	query.Del("database")
	u.RawQuery = query.Encode()
	u.Path = "/" + database
	return u.String(), nil
}

func withSetting(dsn, name, value string) (string, error) {
	if _, err := parseConnConfig(dsn, ""); err != nil {
		return "", err
	}
	if !isURL(dsn) {
		return fmt.Sprintf("%s %s=%s", dsn, name, quoteSetting(value)), nil
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", fmt.Errorf("%w: it is not a URL", ErrDSN)
	}
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// Redact is the DSN as it may be printed: without its password. What cannot be read is not printed at all.
func Redact(dsn string) string {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return "(unreadable PostgreSQL address)"
	}
	u := url.URL{Scheme: "postgres", User: url.User(config.User), Path: "/" + config.Database}
	if strings.HasPrefix(config.Host, "/") {
		u.RawQuery = url.Values{"host": {config.Host}}.Encode()
	} else {
		u.Host = hostPort(config.Host, config.Port)
	}
	return u.String()
}

func hostPort(host string, port uint16) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return fmt.Sprintf("%s:%d", host, port)
}

func isURL(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// quoteSetting writes a value of the keyword form.
func quoteSetting(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}
