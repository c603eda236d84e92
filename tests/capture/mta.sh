#!/bin/sh
# mta.sh postfix|exim|sendmail|opensmtpd DIR ADDRESS — one of the mail servers of mtas.py, in the network namespace it was started in: the server out of
# DIR/root laid over this system, taking mail for its own domain (thrown away) and from the clients for everybody, sent on by the hosts file. Runs until
# it is killed.
set -u
server=$1 dir=$2 here=$3
for d in usr etc var; do
	mkdir -p "$dir/up/$d" "$dir/root/$d"
done
mkdir -p "$dir/mnt"
mount -t tmpfs tmpfs "$dir/mnt"
for d in usr etc var; do
	mkdir -p "$dir/mnt/$d/up" "$dir/mnt/$d/work"
	mount -t overlay overlay -o "lowerdir=$dir/root/$d:/$d,upperdir=$dir/mnt/$d/up,workdir=$dir/mnt/$d/work" "/$d" || exit 1
done
mount -t tmpfs tmpfs /run
mount -t proc proc /proc
chmod 755 "$dir/mnt"
hostname "$server.example"
{
	echo "127.0.0.1 localhost"
	echo "192.0.2.11 postfix.example"
	echo "192.0.2.12 exim.example"
	echo "192.0.2.13 sendmail.example"
	echo "192.0.2.14 opensmtpd.example"
	echo "192.0.2.21 tls.example"
	echo "192.0.2.10 client.example"
} >/etc/hosts
: >/etc/resolv.conf
echo "hosts: files" >/etc/nsswitch.conf
cat >>/etc/passwd <<-EOF
	Debian-exim:x:991:991::/var/spool/exim4:/bin/false
	smmta:x:992:992::/var/lib/sendmail:/bin/false
	smmsp:x:993:993::/var/lib/sendmail:/bin/false
	opensmtpd:x:994:994::/var/lib/opensmtpd/empty:/bin/false
	opensmtpq:x:995:995::/var/lib/opensmtpd/empty:/bin/false
EOF
for g in Debian-exim:991 smmta:992 smmsp:993 opensmtpd:994 opensmtpq:995; do echo "${g%:*}:x:${g#*:}:" >>/etc/group; done
password=Tr1cky-Passw0rd-9

exim() {
	mkdir -p /var/log/exim4 /var/spool/exim4
	chown 991:991 /var/log/exim4 /var/spool/exim4
	cat >/etc/exim4/exim4.conf <<-EOF
		primary_hostname = exim.example
		local_interfaces = $here.25
		log_file_path = $dir/exim-%slog
		acl_smtp_rcpt = rcpt
		acl_smtp_data = accept
		smtputf8_advertise_hosts = *
		rfc1413_query_timeout = 0s
		never_users = root
		keep_environment =
		begin acl
		rcpt:
		  deny message = Unknown user
		       local_parts = nobody
		  accept
		begin routers
		own:
		  driver = accept
		  domains = exim.example
		  transport = away
		others:
		  driver = manualroute
		  transport = smtp
		  route_list = * \$domain byname
		begin transports
		away:
		  driver = appendfile
		  file = /dev/null
		  user = Debian-exim
		smtp:
		  driver = smtp
		  tls_verify_certificates =
		begin retry
		* * F,2h,1m
		begin authenticators
		plain:
		  driver = plaintext
		  public_name = PLAIN
		  server_prompts = :
		  server_condition = \${if eq{\$auth3}{$password}}
		  server_set_id = \$auth2
		login:
		  driver = plaintext
		  public_name = LOGIN
		  server_prompts = Username:: : Password::
		  server_condition = \${if eq{\$auth2}{$password}}
		  server_set_id = \$auth1
		cram:
		  driver = cram_md5
		  public_name = CRAM-MD5
		  server_secret = $password
		  server_set_id = \$auth1
	EOF
	chown root:991 /etc/exim4/exim4.conf
	chmod 640 /etc/exim4/exim4.conf
	chmod 1777 "$dir"
	exec /usr/sbin/exim4 -bdf -q1m
}

sendmail() {
	mkdir -p /etc/mail /var/spool/mqueue /run/sendmail/mta /var/lib/sendmail
	chown root:root /var/spool/mqueue
	chmod 700 /var/spool/mqueue
	printf 'root: nobody\nann: /dev/null\n' >/etc/mail/aliases
	echo "hosts files" >/etc/mail/service.switch
	printf 'Connect:192.0.2.10\tRELAY\n' >/etc/mail/access
	for d in postfix exim opensmtpd tls; do printf '%s.example\tesmtp:[%s.example]\n' $d $d; done >/etc/mail/mailertable
	cat >/etc/mail/mta.mc <<-EOF
		include(\`/usr/share/sendmail/cf/m4/cf.m4')dnl
		OSTYPE(\`linux')dnl
		define(\`confDOMAIN_NAME', \`sendmail.example')dnl
		define(\`confSERVICE_SWITCH_FILE', \`/etc/mail/service.switch')dnl
		define(\`ALIAS_FILE', \`/etc/mail/aliases')dnl
		define(\`STATUS_FILE', \`/var/lib/sendmail/statistics')dnl
		define(\`confPID_FILE', \`/run/sendmail/mta/sendmail.pid')dnl
		define(\`confTO_IDENT', \`0')dnl
		define(\`confDONT_PROBE_INTERFACES', \`True')dnl
		FEATURE(\`nocanonify')dnl
		FEATURE(\`accept_unresolvable_domains')dnl
		FEATURE(\`access_db', \`hash -T<TMPF> /etc/mail/access')dnl
		FEATURE(\`mailertable', \`hash /etc/mail/mailertable')dnl
		DAEMON_OPTIONS(\`Family=inet, Name=MTA, Port=25, Addr=$here')dnl
		LOCAL_CONFIG
		Cwsendmail.example
		MAILER(\`smtp')dnl
		MAILER(\`local')dnl
	EOF
	m4 /etc/mail/mta.mc >/etc/mail/mta.cf
	cp /etc/mail/mta.cf /etc/mail/sendmail.cf
	: >/var/lib/sendmail/statistics
	daemon=$(find /usr/libexec/sendmail /usr/lib/sm.bin -name sendmail -type f 2>/dev/null | head -n 1)
	"$daemon" -bi -C/etc/mail/mta.cf -oA/etc/mail/aliases
	makemap=$(find /usr/libexec/sendmail /usr/lib/sm.bin /usr/sbin /usr/bin -name makemap -type f 2>/dev/null | head -n 1)
	"$makemap" hash /etc/mail/access </etc/mail/access
	"$makemap" hash /etc/mail/mailertable </etc/mail/mailertable
	exec "$daemon" -C/etc/mail/mta.cf -bD -q1m
}

postfix() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=tls.example -keyout /etc/postfix/key.pem -out /etc/postfix/cert.pem 2>/dev/null
	cat /etc/postfix/key.pem /etc/postfix/cert.pem >/etc/postfix/both.pem
	cat >/etc/postfix/main.cf <<-EOF
		compatibility_level = 3.6
		myhostname = postfix.example
		mydestination = postfix.example, tls.example
		local_recipient_maps = inline:{ann=x, bänne=x}
		local_transport = discard:
		mynetworks = 192.0.2.10
		inet_interfaces = 192.0.2.11, 192.0.2.21
		smtp_bind_address = 192.0.2.11
		inet_protocols = ipv4
		disable_dns_lookups = yes
		smtp_host_lookup = native
		alias_maps =
		smtpd_peername_lookup = no
		smtpd_tls_chain_files = /etc/postfix/both.pem
		smtp_tls_security_level = may
		maillog_file = $dir/postfix.log
		maillog_file_prefixes = $dir
		smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
	EOF
	cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf 2>/dev/null
	postconf -F '*/*/chroot=n'
	postconf -M "postlog/unix-dgram=postlog unix-dgram n - n - 1 postlogd"
	postconf -MX smtp/inet
	postconf -M "192.0.2.11:25/inet=192.0.2.11:25 inet n - n - - smtpd"
	postconf -M "192.0.2.21:25/inet=192.0.2.21:25 inet n - n - - smtpd -o smtpd_tls_security_level=may -o myhostname=tls.example"
	chmod 1777 "$dir"
	exec /usr/sbin/postfix start-fg
}

opensmtpd() {
	mkdir -p /var/lib/opensmtpd/empty /var/spool/smtpd
	chmod 711 /var/spool/smtpd
	cat >/etc/smtpd.conf <<-EOF
		listen on $here port 25 hostname opensmtpd.example
		action "away" mda "/bin/cat >/dev/null" virtual { "ann" = nobody }
		action "postfix" relay host smtp://192.0.2.11
		action "exim" relay host smtp://192.0.2.12
		action "sendmail" relay host smtp://192.0.2.13
		match from any for domain "opensmtpd.example" action "away"
		match from src 192.0.2.10 for domain "postfix.example" action "postfix"
		match from src 192.0.2.10 for domain "exim.example" action "exim"
		match from src 192.0.2.10 for domain "sendmail.example" action "sendmail"
	EOF
	exec smtpd -F -f /etc/smtpd.conf
}

$server
