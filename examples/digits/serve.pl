# A web server for the files of one folder, in what Debian's smallest image holds. For the demo only.
#   perl serve.pl FOLDER PORT
use strict;
use warnings;
use IO::Socket::INET;

my ($folder, $port) = @ARGV;
my $listener = IO::Socket::INET->new(LocalPort => $port, Listen => 64, ReuseAddr => 1) or die "port $port: $!\n";
$SIG{CHLD} = 'IGNORE';
$SIG{PIPE} = 'IGNORE';
$SIG{TERM} = sub { exit 0 };
$| = 1;

while (1) {
  my $client = $listener->accept or next;
  next if fork;
  alarm 30;
  my ($method, $name) = ($client->getline // '') =~ m{^(GET|HEAD) /([A-Za-z0-9][A-Za-z0-9._-]*) HTTP/1};
  while (my $line = $client->getline) { last if $line =~ /^\r?\n$/ }
  my ($status, $body) = ('404 Not Found', "no such model\n");
  if ($name and open my $file, '<:raw', "$folder/$name") {
    local $/;
    ($status, $body) = ('200 OK', <$file>);
  }
  binmode $client;
  print $client "HTTP/1.1 $status\r\nContent-Length: ", length $body, "\r\nConnection: close\r\n\r\n";
  print $client $body unless ($method // '') eq 'HEAD';
  close $client;
  print(($method // '?'), ' /', ($name // ''), " $status\n");
  exit 0;
}
