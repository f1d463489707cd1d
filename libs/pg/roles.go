package pg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Services are the services that own a schema, in the order of a record's way. Each one's migrations may name every
// other one's role.
var Services = []string{"extractor", "submitter", "poller", "reconciler", "retrier", "ops"}

// RoleOf is the name of the service's role.
func RoleOf(service string) string { return "bulkhead_" + service }

// adminTimeout bounds what Bootstrap and the locks of Migrate may wait for; migrations themselves are bounded by ctx.
const adminTimeout = time.Minute

// lockKey is the advisory lock that Bootstrap and Migrate hold; one for all services, as roles are shared by them.
const lockKey int64 = 0x62756c6b68656164 // "bulkhead"

// Bootstrap makes the role of every service, where it does not exist yet, and sets the passwords that are given
// (service → password; a service that is absent keeps what it has). It may be run again at any time and by several
// programs at once. The admin must be allowed to create roles. Passwords are sent as SCRAM verifiers, never as text.
func Bootstrap(ctx context.Context, adminDSN string, passwords map[string]string) error {
	verifiers := make(map[string]string, len(passwords))
	for service, password := range passwords {
		if !slices.Contains(Services, service) {
			return fmt.Errorf("bootstrap roles: password given for unknown service %q", service)
		}
		verifier, err := scramVerifier(password)
		if err != nil {
			return fmt.Errorf("bootstrap roles: password of %s: %w", service, err)
		}
		verifiers[service] = verifier
	}
	return withAdmin(ctx, adminDSN, func(ctx context.Context, conn *pgx.Conn) error {
		ctx, cancel := context.WithTimeout(ctx, adminTimeout)
		defer cancel()
		for _, service := range Services {
			if err := ensureRole(ctx, conn, RoleOf(service), verifiers[service]); err != nil {
				return fmt.Errorf("bootstrap role %s: %w", RoleOf(service), err)
			}
		}
		return nil
	})
}

// withAdmin connects as the admin and calls fn while it holds the advisory lock.
func withAdmin(ctx context.Context, adminDSN string, fn func(context.Context, *pgx.Conn) error) error {
	config, err := parseConnConfig(adminDSN, "bulkhead-admin")
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL as admin: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = conn.Close(closing) // it also lets go of the lock
	}()
	locking, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	if _, err := conn.Exec(locking, "SELECT pg_advisory_lock($1)", lockKey); err != nil {
		return fmt.Errorf("wait for another migration to end: %w", err)
	}
	return fn(ctx, conn)
}

// ensureRole makes the role and sets its password; an empty verifier leaves the password alone.
func ensureRole(ctx context.Context, conn *pgx.Conn, role, verifier string) error {
	var super bool
	err := conn.QueryRow(ctx, "SELECT rolsuper FROM pg_roles WHERE rolname = $1", role).Scan(&super)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		if _, err := conn.Exec(ctx, "CREATE ROLE "+pgx.Identifier{role}.Sanitize()+" LOGIN"); err != nil && !roleWasMade(err) {
			return err
		}
	case err != nil:
		return err
	case super:
		return errors.New("it is a superuser, so that nothing would keep services apart; drop it or run ALTER ROLE … NOSUPERUSER")
	}
	if verifier == "" {
		return nil
	}
	// Roles belong to the cluster, the advisory lock to one database: two databases may be bootstrapped at once.
	for try := 1; ; try++ {
		_, err = conn.Exec(ctx, fmt.Sprintf("ALTER ROLE %s PASSWORD '%s'", pgx.Identifier{role}.Sanitize(), verifier))
		var pgErr *pgconn.PgError
		if try < 5 && errors.As(err, &pgErr) && pgErr.Code == "XX000" { // "tuple concurrently updated"
			continue
		}
		return err
	}
}

// roleWasMade says whether another program made the role between our look and our CREATE.
func roleWasMade(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && (pgErr.Code == "42710" || pgErr.Code == "23505") // duplicate_object, unique_violation
}

// SetPassword sets the password of one role that exists. It travels as a SCRAM verifier, never as text.
func SetPassword(ctx context.Context, adminDSN, role, password string) error {
	verifier, err := scramVerifier(password)
	if err != nil {
		return fmt.Errorf("password of %s: %w", role, err)
	}
	return withAdmin(ctx, adminDSN, func(ctx context.Context, conn *pgx.Conn) error {
		ctx, cancel := context.WithTimeout(ctx, adminTimeout)
		defer cancel()
		if _, err := conn.Exec(ctx, fmt.Sprintf("ALTER ROLE %s PASSWORD '%s'", pgx.Identifier{role}.Sanitize(), verifier)); err != nil {
			return fmt.Errorf("set password of %s: %w", role, err)
		}
		return nil
	})
}

// JoinRoles makes the admin a member of every service's role, where it is not one yet, so that sessions of the admin
// may act as the role (DSNAsRole). The roles must exist. A superuser needs no membership.
func JoinRoles(ctx context.Context, adminDSN string) error {
	return withAdmin(ctx, adminDSN, func(ctx context.Context, conn *pgx.Conn) error {
		ctx, cancel := context.WithTimeout(ctx, adminTimeout)
		defer cancel()
		for _, service := range Services {
			var member bool
			if err := conn.QueryRow(ctx, "SELECT pg_has_role(current_user, $1, 'MEMBER')", RoleOf(service)).Scan(&member); err != nil {
				return fmt.Errorf("membership of %s: %w", RoleOf(service), err)
			}
			if member {
				continue
			}
			if _, err := conn.Exec(ctx, "GRANT "+pgx.Identifier{RoleOf(service)}.Sanitize()+" TO CURRENT_USER"); err != nil {
				return fmt.Errorf("become a member of %s: %w", RoleOf(service), err)
			}
		}
		return nil
	})
}
