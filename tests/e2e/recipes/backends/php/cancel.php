<?php
// The cleanup: tells a job to stop.
declare(strict_types=1);
require 'work.php';

touch(name($_GET['job']) . '.cancelled');
http_response_code(204);
