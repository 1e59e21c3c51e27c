"""`mtdnn soft_targets` without an installation."""

from mtdnn_tf.commands.making.soft_targets import COMMAND

if __name__ == "__main__":
    COMMAND.run()
