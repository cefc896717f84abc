#!/usr/bin/perl
# An engine and its driver, written from docs/drivers.md alone: a journal of JSON lines, each with its digest, of which every opening makes a new one.
# It talks on standard output, so it answers on CHAOS_ANSWER_FD; it takes its time to start; it has one option. With an argument it is broken.
use strict;
use warnings;
use Digest::MD5 qw(md5_hex);
use IO::Handle;
use JSON::PP;

my $broken = $ARGV[0] // '';
my $json = JSON::PP->new->canonical;
my $answers = IO::Handle->new_from_fd($ENV{CHAOS_ANSWER_FD}, 'w') or die "no descriptor to answer on: $!";
$answers->autoflush(1);
STDOUT->autoflush(1);
select(undef, undef, undef, 0.2);

my ($dir, $file, %rows, $failed, $sync);

sub fail { my ($kind, $text) = @_; die { ok => JSON::PP::false, kind => $kind, error => $text } }
sub failed { fail($!{ENOSPC} || $!{EDQUOT} ? 'full' : 'io', "$_[0]: $!") }

sub make_durable {
    my ($handle, $what) = @_;
    return if !$sync;
    $handle->flush or failed($what);
    $handle->sync or failed($what);
}

sub sync_directory {
    open(my $handle, '<', $dir) or failed('directory');
    $handle->sync or failed('directory');
}

sub line_of { my $text = $json->encode($_[0]); return md5_hex($text) . " $text\n" }

sub append {
    my ($handle, $text) = @_;
    my $done = 0;
    while ($done < length $text) {
        my $count = syswrite($handle, $text, length($text) - $done, $done);
        failed('write') if !defined $count;
        $done += $count;
    }
}

sub apply {
    for my $op (@{$_[0]}) {
        if ($op->[0] eq 'put') { $rows{$op->[1]} = $op->[2] } else { delete $rows{$op->[1]} }
    }
}

sub open_database {
    my ($r) = @_;
    my %options = (fsync => 'yes', %{$r->{options} // {}});
    for my $name (sort keys %options) {
        fail('other', "unknown option $name") if $name ne 'fsync';
    }
    $sync = $options{fsync} eq 'yes';
    ($dir, $failed, %rows) = ($r->{dir}, 0);
    sleep 1000 if $broken eq 'hang-open';
    my $journal = "$dir/journal";
    if (-e $journal) {
        open(my $old, '<:raw', $journal) or failed('journal');
        local $/ = "\n";
        while (defined(my $line = <$old>)) {
            my ($digest, $text) = $line =~ /^([0-9a-f]{32}) (.*)\n\z/s or last;
            last if md5_hex($text) ne $digest;
            apply($json->decode($text));
        }
        failed('read') if $old->error;
    } elsif ($r->{mode} ne 'create-or-open') {
        fail('other', 'there is no journal');
    }
    # What a cache shows need not be on the disk: all of it is written again, elsewhere.
    open(my $new, '>:raw', "$dir/journal.new") or failed('new journal');
    append($new, line_of([map { ['put', $_, $rows{$_}] } sort keys %rows]));
    make_durable($new, 'new journal');
    rename("$dir/journal.new", $journal) or failed('rename');
    sync_directory();
    $file = $new;
    print "journal: open with ", scalar(keys %rows), " rows\n";
}

sub commit {
    my ($r) = @_;
    fail('io', 'an earlier write failed') if $failed;
    $failed = 1;
    append($file, line_of($r->{ops}));
    make_durable($file, 'commit');
    $failed = 0;
    apply($r->{ops});
    print "{\"ok\":true,\"note\":\"a commit, said where nobody listens\"}\n";
}

my %ops = (
    hello => sub { (protocol => 1, name => 'journal', version => '0.1', capabilities => ['delete', 'multi', 'scan'], motto => 'slow but steady') },
    open => sub { open_database($_[0]); () },
    commit => sub { commit($_[0]); () },
    get => sub { (value => $rows{$_[0]{key}}) },
    scan => sub { (rows => [map { [$_, $rows{$_}] } sort keys %rows]) },
    close => sub {
        sleep 1000 if $broken eq 'hang-close';
        undef $file;
        ();
    },
);

while (defined(my $line = <STDIN>)) {
    my $r = $json->decode($line);
    my $op = $ops{$r->{op}};
    my %answer = eval {
        fail('unsupported', $r->{op}) if !$op;
        (ok => JSON::PP::true, $op->($r));
    };
    %answer = ref $@ ? %{$@} : (ok => JSON::PP::false, kind => 'other', error => "$@") if $@;
    $answer{id} = $r->{id} + ($broken eq 'wrong-id' && $r->{op} eq 'commit' ? 1 : 0);
    print {$answers} ($broken eq 'garbage' && $r->{op} eq 'scan' ? "all is well\n" : $json->encode(\%answer) . "\n");
    exit 7 if $broken eq 'early-exit' && $r->{op} eq 'hello';
}
