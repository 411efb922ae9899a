using static TorchSharp.torch;

namespace Moe.Classical.Tests;

/// <summary>The handwritten digits with their five folds.</summary>
internal static class Digits
{
    /// <summary>Inputs [n, 64] (grey levels 0 to 16), labels [n], and each row's fold.</summary>
    public static (Tensor Inputs, Tensor Labels, double[] Fold) Load()
    {
        var table = Csv.Read("digits.csv");
        return (table.Matrix([.. table.Names.Where(name => name.StartsWith('x'))]), table.Column("y"), table["fold"]);
    }

    /// <summary>The rows of a fold, or those outside it.</summary>
    public static Tensor Rows(double[] fold, int which, bool outside) =>
        tensor(Enumerable.Range(0, fold.Length).Where(row => (fold[row] == which) != outside).Select(row => (long)row).ToArray());
}
