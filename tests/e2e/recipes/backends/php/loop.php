<?php
// Sends output as it works, which is how PHP finds out that the connection has closed: it then ends the script.
declare(strict_types=1);
require 'work.php';

$job = $_SERVER['HTTP_X_JOB_ID'];
$steps = 0;
register_shutdown_function(function () use ($job, &$steps): void {
    note($job, connection_aborted() ? 'aborted' : 'finished', $steps);
});
// An end to it all the same, should the test be killed.
while (++$steps < 20000) {
    note($job, 'running', $steps);
    echo "step\n";
    flush();
    usleep(5000);
}
