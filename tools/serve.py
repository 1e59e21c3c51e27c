"""`mtdnn serve` without an installation."""

from mtdnn_tf.commands.using.serve import COMMAND

if __name__ == "__main__":
    COMMAND.run()
