<?php
// Sends nothing before its end, so nothing tells it that the connection has closed. Looks for a sign that it is cancelled.
declare(strict_types=1);
require 'work.php';

$job = $_SERVER['HTTP_X_JOB_ID'];
// An end to it all the same, should the test be killed.
for ($steps = 1; $steps < 20000 && !file_exists(name($job) . '.cancelled'); ++$steps) {
    note($job, 'running', $steps);
    usleep(5000);
    clearstatcache();
}
note($job, 'cancelled', $steps);
http_response_code(410);
