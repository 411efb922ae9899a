namespace Moe.Classical.Tests;

public sealed class AliasedCholeskyTests
{
    [Theory]
    [InlineData(3)]
    [InlineData(20)]
    public void Equations_of_a_positive_definite_matrix_are_solved(int size)
    {
        var (matrix, answer) = (Matrix(size), RegressionCases.Numbers(size, 2, -1, 1));
        var vector = new double[size];
        for (var row = 0; row < size; row++)
            vector[row] = Products.Dot(matrix.AsSpan(row * size, size), answer);
        var (factor, aliased) = ((double[])matrix.Clone(), new bool[size]);
        AliasedCholesky.Factor(factor, aliased).Should().Be(size);
        AliasedCholesky.Substitute(factor, aliased, vector);
        for (var row = 0; row < size; row++)
            vector[row].Should().BeApproximately(answer[row], 1e-9);
        var inverse = AliasedCholesky.Inverse(factor, aliased);
        for (var row = 0; row < size; row++)
        {
            for (var column = 0; column < size; column++)
                Products.Dot(inverse.AsSpan(row * size, size), matrix.AsSpan(column * size, size)).Should().BeApproximately(row == column ? 1 : 0, 1e-9);
        }
    }

    [Fact]
    public void A_combination_of_columns_before_is_left_out_and_the_others_are_solved_without_it()
    {
        // The third is the sum of the first two.
        double[] matrix = [2, 0.5, 2.5, 0.5, 1, 1.5, 2.5, 1.5, 4];
        var aliased = new bool[3];
        AliasedCholesky.Factor(matrix, aliased).Should().Be(2);
        aliased.Should().Equal(false, false, true);
        double[] vector = [3, 2.5, 5.5];
        AliasedCholesky.Substitute(matrix, aliased, vector);
        vector.Should().Equal([1, 2, 0], (left, right) => Math.Abs(left - right) < 1e-12);
        AliasedCholesky.Inverse(matrix, aliased).Skip(6).Should().OnlyContain(value => value == 0);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_matrix_that_is_not_positive_definite_leaves_columns_out_and_finite_answers(double pivot)
    {
        double[] matrix = [pivot, 0, 0, 4];
        var aliased = new bool[2];
        AliasedCholesky.Factor(matrix, aliased, AliasedCholesky.Rounding).Should().Be(1);
        double[] vector = [1, 2];
        AliasedCholesky.Substitute(matrix, aliased, vector);
        vector.Should().Equal(0, 0.5);
    }

    private static double[] Matrix(int size)
    {
        var (rows, matrix) = (RegressionCases.Numbers(2 * size * size, 1, -1, 1), new double[size * size]);
        for (var row = 0; row < 2 * size; row++)
            Products.Add(matrix, rows.AsSpan(row * size, size), 1);
        for (var row = 0; row < size; row++)
        {
            for (var column = 0; column < row; column++)
                matrix[(row * size) + column] = matrix[(column * size) + row];
        }
        return matrix;
    }
}
