"""`mtdnn verify` without an installation."""

from mtdnn_tf.commands.using.verify import COMMAND

if __name__ == "__main__":
    COMMAND.run()
